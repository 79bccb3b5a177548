"""Stress test of a cross-validation: the model of each fold is tested on frames that it was not fitted on.

The thresholds and the temperature of a fold are chosen on the held-out frames of the other folds, which the models of
those folds have scored. So no frame selects the thresholds by which it is judged.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np

from stripwatch.export.results.run_evaluation import ChosenThreshold
from stripwatch.export.results.stress_results import StressResults
from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.evaluation.calibration import applicable, fit_temperature
from stripwatch.training.evaluation.predictions import ScoredFrames
from stripwatch.training.evaluation.thresholds import choose_thresholds
from stripwatch.training.stress.changes import CHANGES
from stripwatch.training.stress.measurement import choose_frames, measure_stress, say_duration, stressed_model
from stripwatch.training.stress.report import doubts
from stripwatch.worker.common.terminal.console import new_progress, say


@dataclass(frozen=True, slots=True)
class FoldScores:
    """The run of a fold and its scores on the frames that were held out."""

    folder: Path
    run: Run
    scored: ScoredFrames


class _KeptResults(msgspec.Struct, frozen=True):
    """NAME.stress.json next to the run folder of a fold. key: digest of everything that the results depend on."""

    key: str
    results: StressResults


def measure_folds(folds: Sequence[FoldScores], frames_max: int) -> StressResults:
    """Test the models of all folds and pool their results.

    frames_max: number of frames of each fold. Results of an interrupted cross-validation are used again. Raises
    InputError if a file is missing or has changed since the run.
    """
    found: list[StressResults] = []
    announced = False
    for at, fold in enumerate(folds):
        thresholds, temperature = choose_without(folds, at)
        frames = choose_frames(fold.scored.frames, frames_max)
        key = _key(fold.run.model_sha256, thresholds, temperature, [frame.sha256 for frame in frames])
        kept = _read_kept(_kept_file(fold.folder), key)
        if kept is None:
            keras.backend.clear_session()
            stressed = stressed_model(fold.folder, fold.run, load_model(fold.folder), thresholds, temperature)
            if not announced:
                say_duration(stressed, fold.scored.root, frames, len(folds) - at)
                announced = True
            with new_progress() as progress:
                kept = measure_stress(stressed, fold.scored.root, frames, progress)
            atomic_write(_kept_file(fold.folder), msgspec.json.encode(_KeptResults(key, kept)))
        found.append(kept)
    pooled = StressResults.pool(found)
    for doubt in doubts(pooled):
        say(f"warning: {doubt}")
    return pooled


def choose_without(folds: Sequence[FoldScores], left_out: int) -> tuple[dict[str, ChosenThreshold], float]:
    """Return thresholds and temperature, chosen on the held-out frames of all folds but one.

    left_out: index of that fold, whose frames are judged with them.
    """
    others = [fold.scored for at, fold in enumerate(folds) if at != left_out]
    targets = np.concatenate([each.targets for each in others])
    scores = np.concatenate([each.scores for each in others])
    run = folds[left_out].run
    task = run.configuration.label_task
    temperature = applicable(fit_temperature(targets, scores, task), targets, scores, task)
    return choose_thresholds(run.labels, targets, scores, task, None, temperature), temperature


def _kept_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.stress.json")


def _key(*depends_on: Any) -> str:
    changes = [(change.name, change.strengths) for change in CHANGES]
    return hashlib.sha256(msgspec.json.encode([changes, *depends_on])).hexdigest()


def _read_kept(file: Path, key: str) -> StressResults | None:
    """Return the earlier results, or None if there are none or they depend on something else."""
    if not file.exists():
        return None
    try:
        kept = msgspec.json.decode(read_whole(file), type=_KeptResults)
    except msgspec.MsgspecError:
        return None
    return kept.results if kept.key == key else None
