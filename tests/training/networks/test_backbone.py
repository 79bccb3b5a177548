import math
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet, mobilenet
from numpy.typing import NDArray

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import NETWORKS, find_network
from stripwatch.worker.common.errors import InputError, SettingsError
from tests.lively import enliven

pytestmark = pytest.mark.training

FRAMES = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


def assert_same_maps(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Within rounding: TensorFlow fuses layers by what follows them, and rounds as the processor's instructions do."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def build(name: str, shape: tuple[int, int, int] = (64, 64, 3), weights: str = "none", cut: str = "") -> keras.Model:
    return build_backbone(find_network(name), shape, 1.0, weights, cut)


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_can_be_built_at_the_size_of_a_strip(name: str) -> None:
    height, width = build(name, (128, 800, 3)).output_shape[1:3]
    assert (height, width) in {(4, 25), (2, 23)}  # a 32nd of the side; InceptionV3 does not pad


def test_a_cut_ends_after_a_layer_or_before_one() -> None:
    whole = build("mobilenet")
    after = keras.Model(whole.inputs, whole.get_layer("conv_pw_3_relu").output)
    for cut in ("conv_pw_3_relu", "before:conv_pad_4"):
        backbone = build("mobilenet", cut=cut)
        assert backbone.output_shape == (None, 16, 16, 128)
        backbone.set_weights(after.get_weights())
        assert_same_maps(backbone.predict(FRAMES, verbose=0), after.predict(FRAMES, verbose=0))


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        ("conv_pw_3_rel", "mobilenet has no layer 'conv_pw_3_rel'; near it are conv_pw_3_relu"),
        ("before:nowhere", "mobilenet has no layer 'nowhere'$"),
    ],
)
def test_a_cut_at_no_layer_is_refused(cut: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        build("mobilenet", cut=cut)


def test_a_cut_before_a_sum_is_refused() -> None:
    with pytest.raises(SettingsError, match="conv2_block1_out takes 2 maps"):
        build("resnet50v2", cut="before:conv2_block1_out")


def test_a_width_is_for_networks_that_have_one() -> None:
    with pytest.raises(SettingsError, match="vgg19 comes in one width; mobilenet and mobilenetv3large have others"):
        build_backbone(find_network("vgg19"), (32, 32, 3), 0.5, "none")


@pytest.mark.parametrize("saved_cut", ["", "conv_pw_6_relu"])
def test_weights_may_be_of_the_whole_network_or_of_what_is_left_of_it(saved_cut: str, tmp_path: Path) -> None:
    saved = build("mobilenet", cut=saved_cut)
    saved.save_weights(tmp_path / "saved.weights.h5")
    loaded = build("mobilenet", weights=str(tmp_path / "saved.weights.h5"), cut="conv_pw_6_relu")
    inner = keras.Model(saved.inputs, saved.get_layer("conv_pw_6_relu").output)
    assert_same_maps(loaded.predict(FRAMES, verbose=0), inner.predict(FRAMES, verbose=0))


def test_weights_of_the_cut_network_do_not_pass_for_the_whole(tmp_path: Path) -> None:
    build("mobilenet", cut="conv_pw_6_relu").save_weights(tmp_path / "cut.weights.h5")
    with pytest.raises(InputError, match=r"cut\.weights\.h5 does not fit mobilenet"):
        build("mobilenet", weights=str(tmp_path / "cut.weights.h5"))


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.h5"
    path.write_text("no weights")
    with pytest.raises(InputError, match=r"notes\.h5 does not fit mobilenet"):
        build("mobilenet", weights=str(path))


def test_a_download_that_fails_says_to_give_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://example.org")  # what keras.utils.get_file raises

    monkeypatch.setattr(mobilenet.file_utils, "get_file", fail)
    with pytest.raises(InputError, match=r"cannot download them .* give a file instead"):
        build("mobilenet", (224, 224, 3), weights="imagenet")


@pytest.mark.parametrize("name", ["efficientnetb0", "efficientnetv2b0", "mobilenetv3large"])
def test_networks_that_rescale_by_themselves_do_so_without_weights_too(name: str) -> None:
    backbone = build(name)
    first = next(layer for layer in backbone.layers if layer.weights and "conv" in layer.name)
    entering = backbone.get_layer("stem_conv_pad" if name == "efficientnetb0" else first.name).input
    found = keras.Model(backbone.inputs, entering).predict(FRAMES, verbose=0)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = FRAMES / 127.5 - 1 if name == "mobilenetv3large" else (FRAMES / 255 - mean) / deviation
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.long
def test_efficientnet_from_a_file_is_the_network_that_keras_builds_for_imagenet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "saved.weights.h5"
    saved = build("efficientnetb0")
    enliven(saved, FRAMES)
    saved.save_weights(path)
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *_, **__: str(path))
    as_keras_does = keras.applications.EfficientNetB0(weights="imagenet", include_top=False, input_shape=(64, 64, 3))
    expected = as_keras_does.predict(FRAMES, verbose=0)
    assert expected.std() > 0.1
    for weights in ("imagenet", str(path)):
        found = build("efficientnetb0", weights=weights).predict(FRAMES, verbose=0)
        assert_same_maps(found, expected)


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "name", "side_px", "cut", "channels"),
    [
        ("xception_to_block13.weights.h5", "xception", 96, "before:block14_sepconv1", 1024),
        ("inceptionv3_to_mixed8.weights.h5", "inceptionv3", 96, "mixed8", 1280),
        ("inceptionv3_to_mixed8.weights.h5", "inceptionv3", 96, "mixed7", 768),
        ("vgg19_to_block3.weights.h5", "vgg19", 64, "block3_pool", 256),
        ("mobilenet_1.0_to_conv_dw_13.weights.h5", "mobilenet", 64, "conv_dw_13_relu", 1024),
    ],
)
def test_the_shared_weights_load(shared: Path, file: str, name: str, side_px: int, cut: str, channels: int) -> None:
    backbone = build(name, (side_px, side_px, 3), str(shared / "weights" / file), cut)
    assert backbone.output_shape[-1] == channels
    network = find_network(name)
    frames = np.random.default_rng(0).integers(0, 256, (1, side_px, side_px, 3)).astype(np.float32)
    found = backbone.predict(network.preprocess(frames), verbose=0)
    assert math.isfinite(found.sum())
    assert found.std() > 0.01


@pytest.mark.long
def test_a_file_may_reach_further_than_the_cut(shared: Path) -> None:
    file = str(shared / "weights" / "inceptionv3_to_mixed8.weights.h5")
    deeper, cut = (build("inceptionv3", (96, 96, 3), file, end) for end in ("mixed8", "mixed7"))
    inner = keras.Model(deeper.inputs, deeper.get_layer("mixed7").output)
    frames = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    assert_same_maps(cut.predict(frames, verbose=0), inner.predict(frames, verbose=0))
