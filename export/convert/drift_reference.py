"""What a bundle says of ordinary frames: the worker measures drift, and notices untrained sizes, against it."""

from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
from rich.progress import Progress

from stripwatch.export.convert.validation_scores import ScoredValidation, Scores
from stripwatch.export.runs.frames import read_frame
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.image_statistics import STATISTICS, measure
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.reference import ClassScores, Reference, Spread
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.model.verdict import Decision, decision_policy

_FRAMES_MAX = 1000  # the mean of that many is known to 3 % of their deviation


def decide_all(manifest: Manifest, scores: Scores) -> list[Decision]:
    """What the worker decides with the thresholds of the bundle. scores: of the file, float32 [n, labels]."""
    policy = decision_policy(manifest, {})
    return [policy.decide(row) for row in np.clip(scores, 0, 1).tolist()]


def with_reference(
    manifest: Manifest, validation: ScoredValidation, decisions: list[Decision], progress: Progress
) -> Manifest:
    """The manifest with its reference. decisions: of the file itself, on the validation frames.

    Raises InputError for a training frame that is not what it was.
    """
    spreads = measure_spreads(validation.run, validation.root, progress)
    frames = min(len(validation.run.split.train), _FRAMES_MAX)
    reference = Reference(frames=frames, **spreads, answers=len(decisions), classes=sum_up(decisions))
    return msgspec.structs.replace(manifest, reference=reference)


def trained_frames(run: Run, root: Path) -> TrainedFrames:
    """The sizes of the training frames, as the run recorded them, or read from the files of an older run.

    Raises InputError for a training frame that is not what it was.
    """
    if run.trained is not None:
        return run.trained
    headers = [read_header(read_frame(root, frame)) for frame in run.split.train]
    return TrainedFrames.of([(header.width_px, header.height_px) for header in headers])


def measure_spreads(run: Run, root: Path, progress: Progress) -> dict[str, Spread]:
    """Of training frames, as the worker will measure; of many, some that the run's seed picks."""
    frames = run.split.train
    picked = np.random.default_rng(run.configuration.seed).permutation(len(frames))[:_FRAMES_MAX]
    measured = [
        measure(decode(read_frame(root, frames[at]), run.decode).pixels)
        for at in progress.track(picked.tolist(), description="reference")
    ]
    columns = {name: np.array([getattr(each, name) for each in measured]) for name in STATISTICS}
    return {name: Spread(float(column.mean()), float(column.std())) for name, column in columns.items()}


def sum_up(decisions: list[Decision]) -> dict[str, ClassScores]:
    """By best label."""
    by_label: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        by_label[decision.label].append(decision)
    return {
        label: ClassScores(
            share=len(of_label) / len(decisions),
            confidence=sum(each.score for each in of_label) / len(of_label),
            unsure=sum(each.verdict == "unsure" for each in of_label) / len(of_label),
        )
        for label, of_label in sorted(by_label.items())
    }
