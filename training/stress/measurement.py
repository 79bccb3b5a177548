"""Stress test: counts the verdicts of a model on frames that are changed on purpose."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.results.run_evaluation import ChosenThreshold
from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.export.runs.frames import read_frame
from stripwatch.export.runs.keras_model import exported_view, load_detector, view_outputs
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import Run, SplitFrame
from stripwatch.training.stress.changed_frames import changed_frame, decode_source
from stripwatch.training.stress.changes import CHANGES, Change
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.progress import duration
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.images.image_statistics import FrameStatistics, measure
from stripwatch.worker.model.bundle import NOVELTY_NAME, Threshold
from stripwatch.worker.model.verdict import Decision, DecisionPolicy

STRESS_FRAMES = 100  # a share of 2 % has a 95 % interval from 0.6 to 7 %
_BATCH = 32
_TRIAL_FRAMES = 4  # of each change

Predict = Callable[[Pixels], tuple[Array, Array | None]]


@dataclass(frozen=True, slots=True)
class StressedModel:
    """A model with the decisions that a worker would make.

    predict: maps uint8 [n, h, w, c] to scores, float32 [n, labels], and novelty scores, float32 [n], or None. policy:
    thresholds and labels.
    """

    predict: Predict
    policy: DecisionPolicy
    decode: DecodeSpec


@dataclass(slots=True)
class _Counts:
    """Counts and sums over the frames at one strength of a change."""

    frames: int = 0
    right: int = 0
    certain_right: int = 0
    confidently_wrong: int = 0
    novel: int = 0
    statistics: list[FrameStatistics] = field(default_factory=list)

    def point(self, strength: float) -> StressPoint:
        means = {
            each.name: float(np.mean([getattr(row, each.name) for row in self.statistics]))
            for each in fields(FrameStatistics)
        }
        counts = (self.frames, self.right, self.certain_right, self.confidently_wrong, self.novel)
        return StressPoint(strength, *counts, FrameStatistics(**means))


def choose_frames(frames: Sequence[SplitFrame], frames_max: int) -> list[SplitFrame]:
    """Return at most frames_max frames, evenly spaced over the frames sorted by label and checksum.

    The checksum makes the choice independent of the names, which often number the frames of a coil.
    """
    ordered = sorted(frames, key=lambda frame: (frame.label, frame.sha256))
    count = min(len(ordered), frames_max)
    return [ordered[at * len(ordered) // count] for at in range(count)]


def stressed_model(
    folder: Path, run: Run, model: keras.Model, thresholds: dict[str, ChosenThreshold], temperature: float
) -> StressedModel:
    """Return the model of a run, with the thresholds and the temperature of its evaluation."""
    detector = load_detector(folder, run)
    view = exported_view(model, run.configuration.head, detector)
    names = view_outputs(run.configuration.head, detector)

    def predict(pixels: Pixels) -> tuple[Array, Array | None]:
        outputs = view.predict_on_batch(pixels)
        by_name = dict(zip(names, outputs if len(names) > 1 else [outputs], strict=True))
        return by_name["scores"], by_name.get(NOVELTY_NAME)

    policy = DecisionPolicy(
        labels=tuple(run.labels),
        clean_label=run.clean_label,
        single_label=run.configuration.label_task == "multiclass",
        thresholds=tuple(Threshold(thresholds[each].sure.value, thresholds[each].unsure.value) for each in run.labels),
        overridden=False,
        temperature=temperature,
        novelty_threshold=run.novelty.threshold if run.novelty else None,
    )
    return StressedModel(predict, policy, run.decode)


def say_duration(model: StressedModel, root: Path, frames: Sequence[SplitFrame], models: int = 1) -> None:
    """Print how long a stress test will take, and how to omit it.

    models: number of models that are tested, each with as many frames. Raises InputError if a file is missing or has
    changed since the run.
    """
    seconds = models * estimate_s(model, root, frames)
    predictions = models * len(frames) * (1 + sum(len(change.strengths) for change in CHANGES))
    say(f"stress test: {predictions:,} predictions, about {duration(seconds)}; --stress-frames 0 omits it")


def estimate_s(
    model: StressedModel, root: Path, frames: Sequence[SplitFrame], now_s: Callable[[], float] = time.perf_counter
) -> float:
    """Return the expected duration of measure_stress, in seconds, from a trial on one batch of frames.

    Raises InputError if a file is missing or has changed since the run.
    """
    if not frames:
        return 0.0
    part = frames[:_BATCH]
    files = [read_frame(root, frame) for frame in part]
    batch = np.stack([decode(file, model.decode).pixels for file in files])
    model.predict(batch)  # the first prediction also compiles the model
    at_s = now_s()
    model.predict(batch)
    predicting_s = (now_s() - at_s) / len(part)
    tried = [(change, decode_source(file, model.decode)) for change in CHANGES for file in files[:_TRIAL_FRAMES]]
    with ThreadPoolExecutor(usable_cores()) as pool:
        at_s = now_s()
        list(pool.map(lambda each: changed_frame(each[0], each[0].strengths[0], model.decode, each[1], ""), tried))
        changing_s = (now_s() - at_s) / len(tried)
    settings = 1 + sum(len(change.strengths) for change in CHANGES)
    return len(frames) * settings * (predicting_s + changing_s)


def measure_stress(
    model: StressedModel,
    root: Path,
    frames: Sequence[SplitFrame],
    progress: Progress,
    changes: Sequence[Change] = CHANGES,
) -> StressResults:
    """Count the verdicts on every frame at every strength of every change.

    Raises InputError if a file is missing or has changed since the run.
    """
    settings = [(change, strength) for change in changes for strength in change.strengths]
    counts: dict[tuple[str, float], _Counts] = {(change.name, strength): _Counts() for change, strength in settings}
    unchanged = _Counts()
    task = progress.add_task("stress test", total=len(frames) * (1 + len(settings)))
    with ThreadPoolExecutor(usable_cores()) as pool:
        for at in range(0, len(frames), _BATCH):
            part = frames[at : at + _BATCH]
            files = [read_frame(root, frame) for frame in part]
            sources = list(pool.map(lambda file: decode_source(file, model.decode), files))
            _count(unchanged, model, part, [decode(file, model.decode).pixels for file in files])
            progress.advance(task, len(part))
            for change, strength in settings:
                names = [frame.name for frame in part]
                changed = pool.map(partial(changed_frame, change, strength, model.decode), sources, names)
                _count(counts[change.name, strength], model, part, changed)
                progress.advance(task, len(part))
    base = unchanged.point(0)
    results = [
        StressChange.of(each.name, each.unit, [counts[each.name, at].point(at) for at in each.strengths], base)
        for each in changes
    ]
    return StressResults(len(frames), base, results)


def _count(counts: _Counts, model: StressedModel, frames: Sequence[SplitFrame], pixels: Iterable[Pixels]) -> None:
    """Predict frames and add their verdicts to the counts. pixels: of each frame, as the model receives them."""
    batch = np.stack(list(pixels))
    scores, novelty = model.predict(batch)
    policy = model.policy
    predicted = predicted_labels(scores, "multiclass" if policy.single_label else "multilabel")
    for row, frame in enumerate(frames):
        truth = {label for label in frame.labels if label != policy.clean_label}
        named = {policy.labels[at] for at in np.flatnonzero(predicted[row])}
        is_novel = novelty is not None and policy.is_novel(float(novelty[row]))
        decision = policy.decide(scores[row].tolist())
        certain = decision.verdict != "unsure" and not is_novel
        verdict_right = _is_right(decision, policy, truth)
        counts.frames += 1
        counts.right += named - {policy.clean_label} == truth
        counts.novel += is_novel
        counts.certain_right += certain and verdict_right
        counts.confidently_wrong += certain and not verdict_right
        counts.statistics.append(measure(batch[row]))


def _is_right(decision: Decision, policy: DecisionPolicy, truth: set[str]) -> bool:
    """Return whether the defects of a verdict are those of the frame; a clean verdict has none."""
    return {policy.labels[at] for at in decision.defects} == truth
