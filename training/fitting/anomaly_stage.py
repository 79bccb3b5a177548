"""Passes over the frames of an anomaly fit: the distribution of clean places, and the calibration of their distances.

Frames are read again in each pass, so memory does not grow with their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.training.anomaly.calibration import Calibration, calibrate, frame_distances, top_places
from stripwatch.training.anomaly.gaussian import Features, Moments, Whitening
from stripwatch.training.anomaly.place_features import PlaceFeatures
from stripwatch.training.novelty.detector import choose_threshold
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import PreparedData
from stripwatch.training.preparation.stratified_split import fold_frames
from stripwatch.worker.common.errors import DataError

GROUPS_MIN = 20  # with fewer, a fold may have a single frame and the threshold is arbitrary
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class AnomalyFit:
    """Distribution of the features of all clean training frames, and the calibration of their distances."""

    whitening: Whitening
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class FeaturePass:
    """Computes the features of the training frames in batches. model: from frames to features [n, h, w, f]."""

    model: keras.Model
    prepared: PreparedData
    batch: int
    progress: Progress

    def batches(self, title: str) -> Iterator[tuple[slice, Features]]:
        """Yield the positions and the features of each batch of training frames. title: of the progress bar."""
        part, first = self.prepared.train, 0
        task = self.progress.add_task(title, total=len(part.files))
        for frames, _ in read_batches(part, self.prepared.spec, self.batch):
            found = np.asarray(self.model.predict_on_batch(frames), np.float32)
            yield slice(first, first + len(found)), found
            first += len(found)
            self.progress.advance(task, len(found))


def fit_distribution(source: FeaturePass, places: PlaceFeatures, false_alarm_rate: float, seed: int) -> AnomalyFit:
    """Fit the distribution, and calibrate the distances of the training frames from those fitted without their fold.

    Frames of a group are in the same fold. Raises DataError if there are fewer than GROUPS_MIN groups.
    """
    fold_of = _folds(source.prepared, seed)
    by_fold = _fold_moments(source, fold_of)
    total = _sum(by_fold)
    others = [_sum([each for at, each in enumerate(by_fold) if at != fold]).whitening() for fold in range(_FOLDS)]
    top = top_places(places.cells)
    distances, highest = np.empty((2, len(fold_of)), np.float32)
    for rows, features in source.batches("calibrating"):
        for at, fold in enumerate(fold_of[rows], rows.start):
            every, local = others[fold].distances(features[at - rows.start], places.local)
            distances[at], highest[at] = frame_distances(every[None], top)[0], local.max()
    return AnomalyFit(total.whitening(), calibrate(distances, highest, top, false_alarm_rate, choose_threshold))


def _folds(prepared: PreparedData, seed: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    groups = len(set(prepared.groups))
    if groups < GROUPS_MIN:
        raise DataError(
            f"only {groups} different clean images are left for training, but --task anomaly needs at least "
            f"{GROUPS_MIN}; near duplicates and images of one coil count once, and --val-share are kept for validation"
        )
    fold_of = np.empty(len(prepared.groups), np.intp)
    labels = [frame.labels for frame in prepared.split.train]
    for fold, part in enumerate(fold_frames(labels, prepared.groups, _FOLDS, seed, every=False)):
        fold_of[part.validation] = fold
    return fold_of


def _fold_moments(source: FeaturePass, fold_of: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[Moments]:
    """Return the moments of the frames of each fold."""
    found: list[Moments | None] = [None] * _FOLDS
    origin: Features | None = None
    for rows, features in source.batches("features"):
        if origin is None:
            origin = features.mean(axis=(0, 1, 2))
        for fold in np.unique(fold_of[rows]):
            chosen = features[fold_of[rows] == fold].reshape(-1, features.shape[-1])
            moments, before = Moments.of(chosen, origin), found[fold]
            found[fold] = moments if before is None else before + moments
    return [each for each in found if each is not None]


def _sum(parts: list[Moments]) -> Moments:
    whole = parts[0]
    for each in parts[1:]:
        whole = whole + each
    return whole
