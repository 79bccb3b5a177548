from types import ModuleType, SimpleNamespace

import keras
import numpy as np
import pytest
from keras import applications

from stripwatch.training.networks.catalog import NETWORKS, find_network
from stripwatch.training.networks.classifier import build_classifier
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.worker.common.errors import SettingsError

pytestmark = pytest.mark.training

# Modules with the preprocessing of each network, listed independently of the tested catalog.
MODULES: dict[str, ModuleType | SimpleNamespace] = {
    "vgg19": applications.vgg19,
    "efficientnetb0": applications.efficientnet,
    "xception": applications.xception,
    "inceptionv3": applications.inception_v3,
    "mobilenet": applications.mobilenet,
    "mobilenetv3large": applications.mobilenet_v3,
    "efficientnetv2b0": applications.efficientnet_v2,
    "resnet50v2": applications.resnet_v2,
    "efficientnetlite0": SimpleNamespace(preprocess_input=lambda pixels: (pixels - 127) / 128),
    "densenet121": applications.densenet,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_preprocessing_matches_keras(name: str) -> None:
    pixels = keras.Input((32, 48, 3))
    nothing = keras.Model(pixels, keras.layers.Identity()(pixels))  # an identity as backbone
    whole = build_classifier(NETWORKS[name], nothing, OutputSpec(2), 0.0, frozen=True).whole
    entering = keras.Model(whole.inputs, whole.get_layer("pool").input)
    frames = np.random.default_rng(1).integers(0, 256, (3, 32, 48, 3), np.uint8)
    frames[0], frames[1] = 0, 255
    expected = MODULES[name].preprocess_input(frames.astype(np.float32))
    np.testing.assert_allclose(entering.predict(frames, verbose=0), expected, rtol=1e-6, atol=2e-6)


def test_the_help_lists_every_network() -> None:
    from typing import get_type_hints

    from stripwatch.training.fitting.command import fit

    option = get_type_hints(fit, include_extras=True)["network"].__metadata__[0]
    assert option.help == f"Backbone network: {', '.join(NETWORKS)}."


@pytest.mark.parametrize(
    ("name", "message"),
    [("xceptoin", "did you mean 'xception'"), ("resnet9", "'resnet9' is unknown"), ("unet", "choose from vgg19, eff")],
)
def test_rejects_an_unknown_network_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_network(name)
