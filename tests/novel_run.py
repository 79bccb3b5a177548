"""A run with a novelty detector, made from a fitted run by hand, for tests of the export."""

import shutil
from pathlib import Path

import keras
import msgspec
import numpy as np

from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.novelty import MEAN, MEAN_AND_DEVIATION, NoveltyDetector, pool
from stripwatch.export.runs.run_folder import NOVELTY_FILE, RECORD_FILE, Run, SplitFrame, file_sha256, read_run
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.training.novelty.components import fit_distance, weight_of
from stripwatch.training.preparation.prepared_data import to_targets

TAPS = ("conv_pw_3_relu", "conv_pw_5_relu")
STATISTICS = (MEAN, MEAN_AND_DEVIATION)
_Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def write_novel_run(fitted: Path, folder: Path, share_above: float = 0.0) -> Path:
    """Copy a fitted run and add a novelty detector of its training frames.

    share_above: share of the validation frames above the threshold; with 0 it lies well above all of them.
    """
    shutil.copytree(fitted, folder)
    run, model = read_run(folder), load_model(folder)
    view = with_taps(model, TAPS)
    pooled = _features(view, run, run.split.train)
    targets = to_targets([frame.labels for frame in run.split.train], run.labels)
    detector = NoveltyDetector(TAPS, STATISTICS, fit_distance(pooled, targets, weight_of(targets)))
    detector.write(folder / NOVELTY_FILE)
    novelty = detector.score(_features(view, run, run.split.validation))
    threshold = float(np.quantile(novelty, 1 - share_above)) if share_above else float(novelty.max() + novelty.std())
    facts = NoveltyFacts(threshold, 0.01, "made by hand", len(run.split.train), file_sha256(folder / NOVELTY_FILE))
    record = msgspec.json.encode(msgspec.structs.replace(run, novelty=facts))
    (folder / RECORD_FILE).write_bytes(record)
    return folder


def _features(view: keras.Model, run: Run, frames: list[SplitFrame]) -> list[_Floats]:
    """Return the pooled features of each tap."""
    maps = view.predict(read_pixels(Path(run.data), frames, run.decode), verbose=0)[1:]
    return [pool(each, how, np) for each, how in zip(maps, STATISTICS, strict=True)]
