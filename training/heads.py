"""What stands on a backbone: a pooling without weights, whose results can be kept, and the layers that are fitted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from export.runfolder import Head, Task
from worker.errors import SettingsError

Layers = list[keras.layers.Layer]
_ARTICLE_POOL = 5
_ARTICLE_HIDDEN = 512


@dataclass(frozen=True, slots=True)
class HeadParts:
    """pool: the layers from a map [n, h, w, c] to features [n, f], h and w at least places_min.

    score: labels, dropout, activation -> the layers from features to scores [n, labels]; the one named first reads
    the features. Export finds the layers "pool" and "scores" by their names.
    """

    pool: Callable[[], Layers]
    score: Callable[[int, float, str], Layers]
    first: str
    places_min: int


def find_head(head: Head, places: tuple[int, int]) -> HeadParts:
    """The head, for a map of that many places. Raises SettingsError where they are too few."""
    parts = HEADS[head]
    if min(places) < parts.places_min:
        raise SettingsError(
            f"--head {head} needs {parts.places_min}x{parts.places_min} places, and the backbone gives "
            f"{places[0]}x{places[1]}: enlarge --input, cut earlier, or take --head gap"
        )
    return parts


def activation_of(task: Task) -> str:
    return "softmax" if task == "multiclass" else "sigmoid"


def apply(layers: Layers, values: Any) -> Any:
    for layer in layers:
        values = layer(values)
    return values


def _gap_score(labels: int, dropout: float, activation: str) -> Layers:
    return [keras.layers.Dropout(dropout), keras.layers.Dense(labels, activation=activation, name="scores")]


def _article_score(labels: int, dropout: float, activation: str) -> Layers:
    return [
        keras.layers.Dense(_ARTICLE_HIDDEN, activation="relu", name="hidden"),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(labels, activation=activation, name="scores"),
    ]


HEADS: dict[Head, HeadParts] = {
    # Mean over places: the dense layer at each place gives heatmaps for nothing.
    "gap": HeadParts(
        pool=lambda: [keras.layers.GlobalAveragePooling2D(name="pool")],
        score=_gap_score,
        first="scores",
        places_min=1,
    ),
    # The article's, suhasmaddali/Steel-Defect-Detection-Challenge.
    "article": HeadParts(
        pool=lambda: [keras.layers.AveragePooling2D(_ARTICLE_POOL, name="pool"), keras.layers.Flatten(name="flat")],
        score=_article_score,
        first="hidden",
        places_min=_ARTICLE_POOL,
    ),
}
