"""Order of the layers of a checkpoint, from their names.

Files do not keep the order of the layers (safetensors sorts by name), but each library names layers by a rule. Keys are
compared separately for convolutions and for batch normalizations.
"""

import re
from collections.abc import Callable, Collection

Key = tuple[int | str, ...]
LayerOrder = Callable[[str, Collection[str]], Key | None]

_TIMM_PARTS = ("conv_stem", "bn1", "blocks", "conv_head", "bn2")
_TIMM_BLOCK = ("conv", "conv_exp", "conv_dw", "se.conv_reduce", "se.conv_expand", "conv_pwl", "conv_pw")
_TPU_PARTS = ("stem", "blocks", "head")
_TPU_BLOCK = ("expand", "depthwise_conv2d", "se/conv2d", "se/conv2d_1", "project")


def timm_efficientnet(name: str, names: Collection[str]) -> Key | None:
    """Return the key of a layer of a network that timm builds from blocks, or None for the classifier.

    name: such as blocks.1.0.conv_pw. names: of all layers. Source of the names: timm, models/_efficientnet_blocks.py.
    """
    part, _, rest = name.partition(".")
    if part not in _TIMM_PARTS:
        return None
    if part != "blocks":
        return (_TIMM_PARTS.index(part),)
    stage, block, layer = rest.split(".", 2)
    if layer == "conv_pw" and f"blocks.{stage}.{block}.conv_pwl" in names:
        layer = "conv_exp"  # it expands if another layer projects, and else it comes last
    at = _TIMM_BLOCK.index(layer) if layer in _TIMM_BLOCK else int(layer.removeprefix("bn"))
    return (_TIMM_PARTS.index(part), int(stage), int(block), at)


def torchvision_densenet(name: str, _names: Collection[str]) -> Key | None:
    """Return the key of a layer, such as features.denseblock1.denselayer2.conv1, or None for the classifier."""
    found = re.fullmatch(r"features\.(conv|denseblock|transition|norm)(\d+)(.*)", name)
    return (int(found[2]), found[1], *map(int, re.findall(r"\d+", found[3]))) if found else None


def torchvision_vgg(name: str, _names: Collection[str]) -> Key | None:
    """Return the key of a layer, such as features.28, or None for the classifier."""
    found = re.fullmatch(r"features\.(\d+)", name)
    return (int(found[1]),) if found else None


def tpu_efficientnet(name: str, names: Collection[str]) -> Key | None:
    """Return the key of a layer of the published TensorFlow checkpoints, or None for the classifier.

    name: such as efficientnet-lite0/blocks_1/conv2d. Source of the names: github.com/tensorflow/tpu,
    models/official/efficientnet.
    """
    found = re.fullmatch(r"(.*?/)?(stem|head|blocks_(\d+))/(.+)", name)
    if found is None or found[4] == "dense":
        return None
    part, block, layer = found[2].partition("_")[0], int(found[3] or 0), found[4]
    if layer.startswith("tpu_batch_normalization"):
        return (_TPU_PARTS.index(part), block, int(layer.rpartition("_")[2]) if layer[-1].isdigit() else 0)
    if layer in ("conv2d", "conv2d_1"):
        expands = layer == "conv2d" and name.removesuffix("conv2d") + "conv2d_1" in names
        layer = "expand" if expands else "project"
    return (_TPU_PARTS.index(part), block, _TPU_BLOCK.index(layer))


def slim_mobilenet(name: str, _names: Collection[str]) -> Key | None:
    """Return the key of a layer of the published TF-slim checkpoints, or None for the classifier.

    name: such as MobilenetV1/Conv2d_1_pointwise. Source of the names: github.com/tensorflow/models,
    research/slim/nets/mobilenet_v1.py.
    """
    found = re.fullmatch(r"MobilenetV1/Conv2d_(\d+)(?:_(depthwise|pointwise))?(?:/BatchNorm)?", name)
    return (int(found[1]), found[2] or "") if found else None
