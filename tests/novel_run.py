"""A run with a novelty detector, made from a fitted run by hand, for tests of the export."""

import shutil
from pathlib import Path

import keras
import msgspec
import numpy as np

from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.novelty import MEAN, NoveltyDetector, pool
from stripwatch.export.runs.novelty_components import Gaussian, Neighbours, Uncertainty
from stripwatch.export.runs.run_folder import (
    NOVELTY_FILE,
    RECORD_FILE,
    NoveltyFacts,
    Run,
    SplitFrame,
    file_sha256,
    read_run,
)
from stripwatch.export.runs.tapped_model import with_taps

TAPS = ("conv_pw_3_relu", "conv_pw_5_relu")
STATISTICS = (MEAN, MEAN)
RANK, DIRECTIONS = 3, 8
_Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def write_novel_run(fitted: Path, folder: Path, share_above: float = 0.0) -> Path:
    """Copy a fitted run and add a novelty detector of its training frames.

    share_above: share of the validation frames above the threshold; with 0 it lies well above all of them.
    """
    shutil.copytree(fitted, folder)
    run, model = read_run(folder), load_model(folder)
    view = with_taps(model, TAPS)
    scores, *pooled = _features(view, run, run.split.train)
    components = (_neighbours(0, pooled[0]), _gaussian(1, pooled[1]), Uncertainty())
    raw = NoveltyDetector(TAPS, components, np.zeros(3, np.float32), np.ones(3, np.float32), STATISTICS)
    distances = raw.distances(pooled, scores)
    factor = (1 / distances.std(axis=0)).astype(np.float32)
    detector = NoveltyDetector(TAPS, components, distances.mean(axis=0).astype(np.float32), factor, STATISTICS)
    detector.write(folder / NOVELTY_FILE)
    known, *found = _features(view, run, run.split.validation)
    novelty = detector.score(found, known)
    threshold = float(np.quantile(novelty, 1 - share_above)) if share_above else float(novelty.max() + novelty.std())
    facts = NoveltyFacts(threshold, 0.01, "made by hand", len(run.split.train), file_sha256(folder / NOVELTY_FILE))
    record = msgspec.json.encode(msgspec.structs.replace(run, novelty=facts))
    (folder / RECORD_FILE).write_bytes(record)
    return folder


def _features(view: keras.Model, run: Run, frames: list[SplitFrame]) -> list[_Floats]:
    """Return the scores and the pooled features of each tap."""
    scores, *maps = view.predict(read_pixels(Path(run.data), frames, run.decode), verbose=0)
    return [scores, *(pool(each, MEAN, np) for each in maps)]


def _neighbours(tap: int, pooled: _Floats) -> Neighbours:
    centre = pooled.mean(axis=0)
    offset = pooled - centre
    return Neighbours(tap, RANK, centre, offset / np.linalg.norm(offset, axis=1, keepdims=True))


def _gaussian(tap: int, pooled: _Floats) -> Gaussian:
    _, sizes, directions = np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
    whitening = (directions[:DIRECTIONS].T / sizes[:DIRECTIONS] * np.sqrt(len(pooled))).astype(np.float32)
    return Gaussian(tap, whitening, (pooled @ whitening).mean(axis=0, keepdims=True))
