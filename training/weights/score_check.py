"""Comparison of a converted network with scores that its own framework computed."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from stripwatch.training.networks.catalog import Network
from stripwatch.training.weights.layers import Array, Dense
from stripwatch.training.weights.recipes import Recipe
from stripwatch.worker.common.errors import InputError

# Another order of additions changes scores by 1e-6 to 1e-4 of their standard deviation. Pixels that are scaled by 127.5
# instead of 128 change them by a hundredth and more.
TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class ReferenceScores:
    """Scores of the original network: [n, classes], before or after softmax. pixels: RGB, uint8 [n, h, w, 3]."""

    pixels: NDArray[np.uint8]
    scores: Array


@dataclass(frozen=True, slots=True)
class ScoreCheck:
    """Result. difference: largest one, in standard deviations of the scores. same_class: images with the same class."""

    images: int
    classes: int
    difference: float
    same_class: int


def read_scores(path: Path) -> ReferenceScores:
    """Read an .npz file with the arrays `pixels` and `scores`. Raises InputError if it does not have them."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, BadZipFile) as error:  # TypeError: it is an .npy file
        raise InputError(f"--scores {path} cannot be read as an .npz file: {error}") from error
    pixels, scores = found.get("pixels"), found.get("scores")
    if pixels is None or scores is None:
        raise InputError(f"--scores {path} has {', '.join(found) or 'nothing'}; it needs the arrays pixels and scores")
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise InputError(f"--scores {path}: pixels are {pixels.dtype} {pixels.shape}, not uint8 (images, h, w, 3)")
    if scores.ndim != 2 or len(scores) != len(pixels) or not len(scores):
        raise InputError(f"--scores {path}: scores have shape {scores.shape}, not ({len(pixels)}, classes)")
    if not np.isfinite(scores).all() or not scores.std() > 0:
        raise InputError(f"--scores {path}: the scores are constant, or not finite")
    return ReferenceScores(pixels, scores.astype(np.float32))


def check_scores(
    reference: ReferenceScores, network: Network, backbone: keras.Model, top: Sequence[Dense], recipe: Recipe
) -> ScoreCheck:
    """Compare the scores. top: layers of the classifier, from the checkpoint. Raises InputError if they differ."""
    if len(top) != len(recipe.top):
        raise InputError(
            f"the checkpoint has no classifier ({', '.join(recipe.top)}), so its scores cannot be compared; pass "
            "--unchecked, or a checkpoint with its classifier"
        )
    cells = backbone.predict(network.preprocess(reference.pixels.astype(np.float32)), verbose=0)
    scores = _classify(cells, top, recipe)
    if scores.shape != reference.scores.shape:
        raise InputError(
            f"--scores: the file has scores of {reference.scores.shape[1]} classes, the checkpoint has "
            f"{scores.shape[1]}"
        )
    if _are_probabilities(reference.scores):
        scores = np.asarray(keras.ops.softmax(scores))
    difference = float(np.abs(scores - reference.scores).max() / reference.scores.std())
    same = int((scores.argmax(axis=1) == reference.scores.argmax(axis=1)).sum())
    if difference > TOLERANCE:
        raise InputError(
            f"the converted network gives other scores: they differ by up to {difference:.3g} of their standard "
            f"deviation (limit {TOLERANCE}), and {same} of {len(scores)} images have the same class. Compare the "
            "scaling of the pixels with --mean and --std, and the version of the model"
        )
    return ScoreCheck(len(scores), scores.shape[1], difference, same)


def _classify(cells: Array, top: Sequence[Dense], recipe: Recipe) -> Array:
    values = cells.transpose(0, 3, 1, 2).reshape(len(cells), -1) if recipe.flat else cells.mean(axis=(1, 2))
    for number, layer in enumerate(top):
        if values.shape[1] != len(layer.kernel):
            raise InputError(
                f"--scores: the classifier takes {len(layer.kernel)} values, but images of this size give "
                f"{values.shape[1]}; use images of the size that the network was trained with"
            )
        if number:
            values = np.asarray(keras.activations.get(recipe.hidden)(values))
        values = values @ layer.kernel + layer.bias
    return values


def _are_probabilities(scores: Array) -> bool:
    return bool((scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3))
