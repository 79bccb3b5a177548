"""Checkpoints that can be converted, by network and framework."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.training.weights.checkpoint_file import Framework
from stripwatch.training.weights.layer_order import (
    LayerOrder,
    slim_mobilenet,
    timm_efficientnet,
    torchvision_densenet,
    torchvision_vgg,
    tpu_efficientnet,
)
from stripwatch.training.weights.layers import Array
from stripwatch.worker.common.errors import SettingsError

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SYMMETRIC = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_LITE = ((127 / 255,) * 3, (128 / 255,) * 3)
_CAFFE = ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3)


@dataclass(frozen=True, slots=True)
class PixelScale:
    """Scaling of the RGB pixels, as a share of 255, that a network was trained with: (pixel - mean) / deviation."""

    mean: Sequence[float]
    deviation: Sequence[float]

    def relative_to(self, other: "PixelScale") -> tuple[Array, Array]:
        """Return mean and deviation, [3], that scale pixels further which `other` has scaled."""
        mean, deviation = np.array(other.mean, np.float32), np.array(other.deviation, np.float32)
        return (np.array(self.mean, np.float32) - mean) / deviation, np.array(self.deviation, np.float32) / deviation


@dataclass(frozen=True, slots=True)
class Recipe:
    """How checkpoints of a library are converted.

    models: names of the models, for messages. order: order of their layers. pixels: scaling that they were trained
    with. keras: scaling of the network in the catalog, if it is another one. bgr: that network takes blue first. top:
    end of the names of the layers after the backbone: global average pooling, then each layer, with `hidden` ("relu" or
    "hard_swish") between two. flat: feature maps are flattened, channels first, instead of pooled.
    """

    models: str
    order: LayerOrder
    pixels: PixelScale
    keras: PixelScale | None = None
    bgr: bool = False
    top: Sequence[str] = ("classifier",)
    hidden: str = "relu"
    flat: bool = False


RECIPES: dict[tuple[str, Framework], Recipe] = {
    ("efficientnetlite0", "pytorch"): Recipe("timm tf_efficientnet_lite0", timm_efficientnet, PixelScale(*_LITE)),
    ("efficientnetb0", "pytorch"): Recipe("timm tf_efficientnet_b0", timm_efficientnet, PixelScale(*_IMAGENET)),
    ("efficientnetv2b0", "pytorch"): Recipe("timm tf_efficientnetv2_b0", timm_efficientnet, PixelScale(*_IMAGENET)),
    ("mobilenetv3large", "pytorch"): Recipe(
        "timm tf_mobilenetv3_large_100",
        timm_efficientnet,
        PixelScale(*_SYMMETRIC),
        top=("conv_head", "classifier"),
        hidden="hard_swish",
    ),
    ("densenet121", "pytorch"): Recipe("torchvision densenet121", torchvision_densenet, PixelScale(*_IMAGENET)),
    ("vgg19", "pytorch"): Recipe(
        "torchvision vgg19",
        torchvision_vgg,
        PixelScale(*_IMAGENET),
        keras=PixelScale(*_CAFFE),
        bgr=True,
        top=("classifier.0", "classifier.3", "classifier.6"),
        flat=True,
    ),
    ("efficientnetlite0", "tensorflow"): Recipe(
        "tensorflow/tpu efficientnet-lite0", tpu_efficientnet, PixelScale(*_LITE), top=("head/dense",)
    ),
    ("efficientnetb0", "tensorflow"): Recipe(
        "tensorflow/tpu efficientnet-b0", tpu_efficientnet, PixelScale(*_IMAGENET), top=("head/dense",)
    ),
    ("mobilenet", "tensorflow"): Recipe(
        "TF-slim mobilenet_v1",
        slim_mobilenet,
        PixelScale(*_SYMMETRIC),
        top=("Logits/Conv2d_1c_1x1",),
    ),
}


def find_recipe(network: str, framework: Framework) -> Recipe:
    """Return the recipe. Raises SettingsError, with the networks that can be converted, if there is none."""
    if (network, framework) in RECIPES:
        return RECIPES[network, framework]
    possible = ", ".join(f"{name} ({each.models})" for (name, of), each in RECIPES.items() if of == framework)
    raise SettingsError(
        f"--network {network}: a {framework} checkpoint cannot be converted, because that library builds the network "
        f"differently from Keras; possible are {possible}. For {network}, use Keras's own weights file"
    )
