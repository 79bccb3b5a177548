"""Last stage of a fit: the novelty detector, on features of the training frames."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.export.runs.keras_model import find_backbone
from stripwatch.export.runs.run_folder import NOVELTY_FILE, file_sha256
from stripwatch.training.fitting.features.changed_copies import changed_taps
from stripwatch.training.fitting.features.feature_cache import Features
from stripwatch.training.fitting.features.frame_features import FeatureFiles, read_cached
from stripwatch.training.fitting.train_loop import predict
from stripwatch.training.novelty.components import ChangedFrames
from stripwatch.training.novelty.detector import FRAMES_MIN, METHOD, fit_detector
from stripwatch.training.novelty.taps import Taps, choose_taps, with_pooled_taps
from stripwatch.training.preparation.prepared_data import PreparedData
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.progress import one_step

# With fewer frames of each class, detection falls steeply (benchmarks, "Left-out classes with crossval").
_CLASS_FRAMES_ADVISED = 50


@dataclass(frozen=True, slots=True)
class TapColumns:
    """Pooled features of the taps, side by side, of training and validation frames. [n, features].

    changed: features of changed copies of the training frames, if the detector should learn from them.
    """

    taps: Taps
    train: Features
    validation: Features
    changed: ChangedFrames | None = None


def read_taps(model: keras.Model, prepared: PreparedData, files: FeatureFiles | None, progress: Progress) -> TapColumns:
    """Return the features of the taps, from the cache if the fit wrote them, else from the finished model."""
    taps = choose_taps(find_backbone(model))
    if files is not None and files.taps is not None:
        train, validation = read_cached(files.taps.path, prepared)
        return TapColumns(taps, train, validation, changed_taps(files.copies, prepared))
    view = with_pooled_taps(model, taps)
    pooled = keras.Model(view.inputs, view.outputs[-1])
    train, validation = (
        predict(pooled, prepared, part, progress, "novelty") for part in (prepared.train, prepared.validation)
    )
    return TapColumns(taps, train, validation)


def write_novelty(
    folder: Path,
    columns: TapColumns,
    prepared: PreparedData,
    rate: float,
    seed: int,
    progress: Progress,
) -> NoveltyFacts | None:
    """Fit the detector, write novelty.npz and return its facts; None if there are too few training frames."""
    pooled = columns.taps.split(columns.train)
    with one_step(progress, "fitting the novelty detector"):
        targets, changed = prepared.train.targets, columns.changed
        fit = fit_detector(columns.taps, pooled, targets, prepared.groups, rate, seed, changed)
    if fit is None:
        say(
            f"note: no novelty detector, because it needs at least {FRAMES_MIN} different training images; the model "
            "will not recognize frames unlike them"
        )
        return None
    frames = len(fit.held_out)
    if fit.limited:
        say(
            f"note: {frames} training frames are too few for a novelty threshold with {rate:.2%} false alarms; it is "
            f"their highest score, so expect up to {1 / (frames + 1):.1%} false alarms"
        )
    fewest = int(prepared.train.targets.sum(axis=0).min())
    if fewest < _CLASS_FRAMES_ADVISED:
        say(
            f"note: a label has only {fewest} training frames; with fewer than {_CLASS_FRAMES_ADVISED} of each, the "
            "novelty detector misses many new kinds of defects"
        )
    path = folder / NOVELTY_FILE
    fit.detector.write(path)
    novelty = fit.detector.score(columns.taps.split(columns.validation))
    share = float(np.mean(novelty > fit.threshold))
    copies = len(changed.pooled) if changed else 0
    return NoveltyFacts(fit.threshold, rate, METHOD, frames, file_sha256(path), share, copies)
