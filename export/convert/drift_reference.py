"""Drift reference and trained sizes of a bundle, against which the worker detects drift and untrained frame sizes."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.convert.validation_scores import ScoredValidation, Scores
from stripwatch.export.results.camera_limits import derive_limits
from stripwatch.export.results.stress_results import StressResults
from stripwatch.export.runs.frames import read_frame
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.image_statistics import STATISTICS, Statistic, measure
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.reference import ClassScores, Reference, Spread
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.model.verdict import Decision, decision_policy

_FRAMES_MAX = 1000  # enough to know the mean to 3 % of the standard deviation


def decide_all(manifest: Manifest, scores: Scores, novelty: NDArray[np.float32] | None = None) -> list[Decision]:
    """Return the decisions that the worker makes with the thresholds of the bundle. A novel frame is unsure.

    scores: float32 [n, labels], and novelty: float32 [n], both computed by the exported model.
    """
    policy = decision_policy(manifest, {})
    decisions = [policy.decide(row) for row in np.clip(scores, 0, 1).tolist()]
    if novelty is None:
        return decisions
    return [
        replace(decision, verdict="unsure", defects=()) if policy.is_novel(score) else decision
        for decision, score in zip(decisions, novelty.tolist(), strict=True)
    ]


def with_reference(
    manifest: Manifest,
    validation: ScoredValidation,
    decisions: list[Decision],
    progress: Progress,
    stress: StressResults | None = None,
) -> Manifest:
    """Return the manifest with its drift reference and the camera conditions of the model.

    decisions: those of the exported model on the validation frames. stress: what the model withstands; None if that was
    not measured, and then it has no limits of its own. Raises InputError if a training frame has changed since the run.
    """
    measured = measure_statistics(validation.run, validation.root, progress)
    spreads = {name: Spread(float(values.mean()), float(values.std())) for name, values in measured.items()}
    frames = min(len(validation.run.split.train), _FRAMES_MAX)
    colour = validation.run.colour
    reference = Reference(
        frames=frames,
        **spreads,
        answers=len(decisions),
        classes=sum_up(decisions),
        colour=None if colour is None or colour.frame is None else colour.largest,
    )
    limits = derive_limits(stress, measured) if stress else None
    return msgspec.structs.replace(manifest, reference=reference, camera_limits=limits)


def trained_frames(run: Run, root: Path) -> TrainedFrames:
    """Return the sizes of the training frames as recorded in the run, or read from the files for an older run.

    Raises InputError if a training frame has changed since the run.
    """
    if run.trained is not None:
        return run.trained
    headers = [read_header(read_frame(root, frame)) for frame in run.split.train]
    return TrainedFrames.of([(header.width_px, header.height_px) for header in headers])


def measure_statistics(run: Run, root: Path, progress: Progress) -> dict[Statistic, NDArray[np.float64]]:
    """Return each image statistic of the training frames, float64 [n], measured as in the worker.

    Uses at most 1,000 frames, picked with the seed of the run.
    """
    frames = run.split.train
    picked = np.random.default_rng(run.configuration.seed).permutation(len(frames))[:_FRAMES_MAX]
    measured = [
        measure(decode(read_frame(root, frames[at]), run.decode).pixels)
        for at in progress.track(picked.tolist(), description="drift reference")
    ]
    return {name: np.array([getattr(each, name) for each in measured]) for name in STATISTICS}


def sum_up(decisions: list[Decision]) -> dict[str, ClassScores]:
    """Summarize decisions by best label: share of all frames, mean score, and share of unsure verdicts."""
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
