"""Heads of a classifier: a pooling without weights, whose output can be cached, followed by trainable layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from stripwatch.export.runs.run_folder import Head, Task
from stripwatch.training.networks.dense_head import score_cells
from stripwatch.worker.common.errors import SettingsError

Layers = list[keras.layers.Layer]
_PAPER_POOL = 5
_PAPER_HIDDEN = 512


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Outputs of a head. labels: their number. clean_at: index of the label that means "no defect", or None."""

    labels: int
    task: Task = "multiclass"
    clean_at: int | None = None

    @property
    def activation(self) -> str:
        """Return the activation of the scores."""
        return "softmax" if self.task == "multiclass" else "sigmoid"


@dataclass(frozen=True, slots=True)
class HeadParts:
    """The parts of a head.

    pool: maps a feature map [n, h, w, c] to features, [n, f] or the map itself. score: called with features, output
    spec and dropout rate; returns scores [n, labels] and, if the head classifies cells, their logits, which are
    [n, h, w, classes], else None.
    input_layer: name of the layer that reads the features. cells_min: smallest h and w of the feature map. Export finds
    the layers "pool", "scores" and "places" by name.
    """

    pool: Callable[[Any], Any]
    score: Callable[[Any, OutputSpec, float], tuple[Any, Any]]
    input_layer: str
    cells_min: int = 1


def find_head(head: Head, cells: tuple[int, int]) -> HeadParts:
    """Return the parts of a head. cells: height and width of the map. Raises SettingsError if it is too small."""
    parts = HEADS[head]
    if min(cells) < parts.cells_min:
        raise SettingsError(
            f"--head {head} needs a feature map of at least {parts.cells_min}x{parts.cells_min} cells, but the "
            f"backbone gives {cells[0]}x{cells[1]}; increase --input, cut earlier, or use --head gap"
        )
    return parts


def _gap_pool(cells: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D(name="pool")(cells)


def _gap_score(features: Any, outputs: OutputSpec, dropout: float) -> tuple[Any, Any]:
    kept = keras.layers.Dropout(dropout)(features)
    return _scores(kept, outputs), None


def _scores(features: Any, outputs: OutputSpec) -> Any:
    """Add the output layer. It always computes in float32, because half precision would round scores and loss."""
    return keras.layers.Dense(outputs.labels, activation=outputs.activation, name="scores", dtype="float32")(features)


def _paper_pool(cells: Any) -> Any:
    return keras.layers.Flatten(name="flat")(keras.layers.AveragePooling2D(_PAPER_POOL, name="pool")(cells))


def _paper_score(features: Any, outputs: OutputSpec, dropout: float) -> tuple[Any, Any]:
    hidden = keras.layers.Dense(_PAPER_HIDDEN, activation="relu", name="hidden")(features)
    kept = keras.layers.Dropout(dropout)(hidden)
    return _scores(kept, outputs), None


def _dense_score(features: Any, outputs: OutputSpec, dropout: float) -> tuple[Any, Any]:
    return score_cells(features, outputs.labels, outputs.task, outputs.clean_at, dropout)


HEADS: dict[Head, HeadParts] = {
    # Global average pooling: applying the dense layer to each cell gives heatmaps at no extra cost.
    "gap": HeadParts(_gap_pool, _gap_score, input_layer="scores"),
    # The published baseline: github.com/suhasmaddali/Steel-Defect-Detection-Challenge.
    "paper-baseline": HeadParts(_paper_pool, _paper_score, input_layer="hidden", cells_min=_PAPER_POOL),
    # A classifier for each cell, for data with boxes or masks.
    "dense": HeadParts(lambda cells: cells, _dense_score, input_layer="hidden"),
}
