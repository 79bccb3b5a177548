"""Catalog of the backbone networks, with their default input sizes and preprocessing."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import applications

from stripwatch.training.networks.efficientnet import build_efficientnetb0
from stripwatch.training.networks.efficientnet_lite import build_efficientnet_lite0, scale_pixels
from stripwatch.worker.common.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Network:
    """A network of keras.applications (https://keras.io/api/applications/), or one built like them.

    side_px: side of the square input it was published with. side_px_min: smallest side that Keras accepts.
    build: called with weights ("imagenet" or None), include_top, input_shape, and alpha if has_alpha; returns the
    network. preprocess: the function of keras.applications, which takes RGB pixels as float32, 0 to 255. For networks
    that rescale in their own layers it returns the pixels unchanged, so nothing is rescaled twice.
    """

    name: str
    side_px: int
    side_px_min: int
    build: Callable[..., keras.Model]
    preprocess: Callable[[Any], Any]
    has_alpha: bool = False


# ConvNeXtTiny is missing because tf2onnx 1.17 converts neither its Erfc (GELU) nor its grouped convolution.
NETWORKS = {
    network.name: network
    for network in (
        Network("vgg19", 224, 32, applications.VGG19, applications.vgg19.preprocess_input),
        Network("efficientnetb0", 224, 32, build_efficientnetb0, applications.efficientnet.preprocess_input),
        Network("xception", 299, 71, applications.Xception, applications.xception.preprocess_input),
        Network("inceptionv3", 299, 75, applications.InceptionV3, applications.inception_v3.preprocess_input),
        Network("mobilenet", 224, 32, applications.MobileNet, applications.mobilenet.preprocess_input, has_alpha=True),
        Network(
            "mobilenetv3large",
            224,
            32,
            applications.MobileNetV3Large,
            applications.mobilenet_v3.preprocess_input,
            has_alpha=True,
        ),
        Network(
            "efficientnetv2b0", 224, 32, applications.EfficientNetV2B0, applications.efficientnet_v2.preprocess_input
        ),
        Network("resnet50v2", 224, 32, applications.ResNet50V2, applications.resnet_v2.preprocess_input),
        Network("efficientnetlite0", 224, 32, build_efficientnet_lite0, scale_pixels),
        Network("densenet121", 224, 32, applications.DenseNet121, applications.densenet.preprocess_input),
    )
}


def find_network(name: str) -> Network:
    """Return the network with this name. Raises SettingsError, with the most similar name, if it is unknown."""
    if name in NETWORKS:
        return NETWORKS[name]
    near = difflib.get_close_matches(name, NETWORKS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; choose from {', '.join(NETWORKS)}"
    raise SettingsError(f"--network {name!r} is unknown{hint}")
