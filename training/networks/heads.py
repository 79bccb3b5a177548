"""What stands on a backbone: a pooling without weights, whose results can be kept, and the layers that are fitted."""

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
    """What a head is to tell apart. clean_at: the position of the label that means "no defect", if there is one."""

    labels: int
    task: Task = "multiclass"
    clean_at: int | None = None

    @property
    def activation(self) -> str:
        return "softmax" if self.task == "multiclass" else "sigmoid"


@dataclass(frozen=True, slots=True)
class HeadParts:
    """pool: from a map [n, h, w, c] to features, [n, f] or the map itself; h and w at least places_min.

    score: features, outputs, dropout -> scores [n, labels] and, where the head judges each place, its logits
    there [n, h, w, classes]. The layer named first is the one that reads the features. Export finds the layers "pool",
    "scores" and "places" by their names.
    """

    pool: Callable[[Any], Any]
    score: Callable[[Any, OutputSpec, float], tuple[Any, Any]]
    input_layer: str
    places_min: int = 1


def find_head(head: Head, cells: tuple[int, int]) -> HeadParts:
    """The head, for a map of that many places. Raises SettingsError where they are too few."""
    parts = HEADS[head]
    if min(cells) < parts.places_min:
        raise SettingsError(
            f"--head {head} needs {parts.places_min}x{parts.places_min} places, and the backbone gives "
            f"{cells[0]}x{cells[1]}: enlarge --input, cut earlier, or take --head gap"
        )
    return parts


def _gap_pool(places: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D(name="pool")(places)


def _gap_score(features: Any, answers: OutputSpec, dropout: float) -> tuple[Any, Any]:
    kept = keras.layers.Dropout(dropout)(features)
    return _scores(kept, answers), None


def _scores(features: Any, answers: OutputSpec) -> Any:
    """In float32 whatever the rest computes in: half precision would round the scores and their loss."""
    return keras.layers.Dense(answers.labels, activation=answers.activation, name="scores", dtype="float32")(features)


def _paper_pool(places: Any) -> Any:
    return keras.layers.Flatten(name="flat")(keras.layers.AveragePooling2D(_PAPER_POOL, name="pool")(places))


def _paper_score(features: Any, answers: OutputSpec, dropout: float) -> tuple[Any, Any]:
    hidden = keras.layers.Dense(_PAPER_HIDDEN, activation="relu", name="hidden")(features)
    kept = keras.layers.Dropout(dropout)(hidden)
    return _scores(kept, answers), None


def _dense_score(features: Any, answers: OutputSpec, dropout: float) -> tuple[Any, Any]:
    return score_cells(features, answers.labels, answers.task, answers.clean_at, dropout)


HEADS: dict[Head, HeadParts] = {
    # Mean over places: the dense layer at each place gives heatmaps for nothing.
    "gap": HeadParts(_gap_pool, _gap_score, input_layer="scores"),
    # The published baseline: github.com/suhasmaddali/Steel-Defect-Detection-Challenge.
    "paper-baseline": HeadParts(_paper_pool, _paper_score, input_layer="hidden", places_min=_PAPER_POOL),
    # A classifier at each place, for data with boxes or masks.
    "dense": HeadParts(lambda places: places, _dense_score, input_layer="hidden"),
}
