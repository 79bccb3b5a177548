"""Conversion of a checkpoint to a Keras weights file."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import keras
import numpy as np

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.weights.checkpoint_file import Framework, read_checkpoint
from stripwatch.training.weights.layers import Convolution, Layers, Normalization, to_layers, with_normalization
from stripwatch.training.weights.recipes import PixelScale, Recipe, find_recipe
from stripwatch.training.weights.score_check import ReferenceScores, ScoreCheck, check_scores
from stripwatch.worker.common.errors import InputError

SUFFIX = ".weights.h5"  # Keras accepts no other for weights


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """What to convert.

    file: checkpoint. network: name in the catalog. out: Keras file. key: state dict inside the file. pixels: scaling
    that the checkpoint was trained with; None for that of the recipe. scores: to compare with; None for no check.
    """

    file: Path
    network: str
    out: Path
    alpha: float = 1.0
    key: str | None = None
    pixels: PixelScale | None = None
    scores: ReferenceScores | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """Result. tensors: in the checkpoint. weights: numbers in the Keras file. check: None if there were no scores."""

    framework: Framework
    models: str
    tensors: int
    layers: int
    weights: int
    check: ScoreCheck | None


def convert(settings: ConversionSettings) -> Conversion:
    """Convert a checkpoint, compare the scores, and write the Keras file.

    Nothing is written unless the scores agree. Raises InputError if the checkpoint cannot be read, is not that of the
    network, or gives other scores; SettingsError if networks of this kind cannot be converted.
    """
    network = find_network(settings.network)
    checkpoint = read_checkpoint(settings.file, settings.key)
    recipe = find_recipe(network.name, checkpoint.framework)
    layers = to_layers(checkpoint, recipe.order, recipe.top)
    layers = _for_keras(layers, recipe, settings.pixels or recipe.pixels)
    height, width = (network.side_px,) * 2 if settings.scores is None else settings.scores.pixels.shape[1:3]
    backbone = build_backbone(network, (height, width, 3), settings.alpha, "none")  # the size changes no weights
    try:
        assign(backbone, layers)
    except InputError as error:
        raise InputError(f"{settings.file} is not a checkpoint of {recipe.models}: {error}") from error
    check = check_scores(settings.scores, network, backbone, layers.top, recipe) if settings.scores else None
    _save(backbone, settings.out)
    count = len(layers.convolutions) + len(layers.normalizations)
    weights = int(backbone.count_params())
    return Conversion(checkpoint.framework, recipe.models, len(checkpoint.tensors), count, weights, check)


def assign(backbone: keras.Model, layers: Layers) -> None:
    """Set the weights of a network. Raises InputError, with both names, for the first layer that does not fit."""
    convolutions = [each for each in backbone.layers if _has_kernel(each)]
    normalizations = [each for each in backbone.layers if isinstance(each, keras.layers.BatchNormalization)]
    for target, source in zip_longest(convolutions, layers.convolutions):
        _require_both(target, source)
        _set(target, _convolution_weights(target, source), source.name)
    for target, normal in zip_longest(normalizations, layers.normalizations):
        _require_both(target, normal)
        _set(target, _normalization_weights(target, normal), normal.name)


def _for_keras(layers: Layers, recipe: Recipe, pixels: PixelScale) -> Layers:
    """Return layers for pixels as the network of the catalog scales them."""
    own = recipe.keras or recipe.pixels
    if pixels != own:
        layers = with_normalization(layers, *pixels.relative_to(own))
    if recipe.bgr:
        first, *others = layers.convolutions
        reversed_ = Convolution(first.name, first.kernel[:, :, ::-1], first.bias)
        layers = Layers([reversed_, *others], layers.normalizations, layers.top)
    return layers


def _has_kernel(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))


def _require_both(target: keras.layers.Layer | None, source: Convolution | Normalization | None) -> None:
    if target is None:
        raise InputError(f"it has a further layer {source.name}" if source else "it has further layers")
    if source is None:
        raise InputError(f"it has no layer for {target.name}")


def _convolution_weights(target: keras.layers.Layer, source: Convolution) -> list[np.ndarray]:
    kernel = source.kernel
    if isinstance(target, keras.layers.DepthwiseConv2D) and kernel.shape[2] == 1:
        kernel = kernel.transpose(0, 1, 3, 2)  # PyTorch stores the channels as outputs
    if not target.use_bias:
        if source.bias is not None:
            raise InputError(f"{source.name} has a bias, but {target.name} of the network has none")
        return [kernel]
    return [kernel, np.zeros(len(target.bias), np.float32) if source.bias is None else source.bias]


def _normalization_weights(target: keras.layers.Layer, source: Normalization) -> list[np.ndarray]:
    if target.scale == (source.gamma is None):
        raise InputError(f"{source.name} and {target.name} differ in whether they scale")
    scale = [] if source.gamma is None else [source.gamma]
    return [*scale, source.beta, source.mean, source.variance]


def _set(target: keras.layers.Layer, weights: Sequence[np.ndarray], name: str) -> None:
    for variable, value in zip(target.weights, weights, strict=True):
        if tuple(variable.shape) != value.shape:
            raise InputError(
                f"{name} has weights of shape {value.shape}, but {target.name} of the network needs "
                f"{tuple(variable.shape)}"
            )
        if not np.isfinite(value).all():
            raise InputError(f"{name} has weights that are not finite")
    target.set_weights(list(weights))


def _save(backbone: keras.Model, out: Path) -> None:
    """Write the file under another name first, so that an incomplete file never has its name."""
    part = out.with_name(f".stripwatch-{secrets.token_hex(8)}.part{SUFFIX}")
    try:
        backbone.save_weights(part)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {out}: {error}") from error
