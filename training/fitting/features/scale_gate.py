"""Gate for scaled JPEG decoding: a scale is used only if validation frames show that it costs no accuracy."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.runs.facts.scale_facts import ScaleFacts, ScaleTrial
from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.fitting.features.feature_cache import Features
from stripwatch.training.fitting.features.frame_features import PREDICT_BATCH
from stripwatch.training.novelty.linear_head import LinearHead
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.image_files import CONTENT_TYPES

SCALES = (8, 4, 2)
VALIDATION_MIN = 100  # with fewer frames, a loss of accuracy of a few percent could not be noticed
_TRAINED_MAX, _VALIDATION_MAX = 1000, 2000
_LOSS_MARGIN = 0.02  # nats: the probability of the true label falls by 2 % of itself
_ONE_SIDED_95 = 1.645  # quantile of the normal distribution
_TIMED_FRAMES, _TIMED_ROUNDS = 20, 5
_PROBABILITY_MIN = 1e-6


def possible_scales(prepared: PreparedData) -> list[int]:
    """Return the scales, the largest first, that leave every frame at least as large as the input of the network.

    Returns none if a file is not JPEG, because scaled decoding would change only a part of the frames.
    """
    files = [*prepared.train.files, *prepared.validation.files]
    if any(CONTENT_TYPES.get(file.suffix.lower()) != "image/jpeg" for file in files):
        return []
    spec, sizes = prepared.spec, prepared.trained
    width, height = sizes.width_px.smallest / spec.width_px, sizes.height_px.smallest / spec.height_px
    return [scale for scale in SCALES if min(width, height) >= scale]


def refusal(prepared: PreparedData, task: Task) -> str:
    """Return why the gate cannot judge scaled decoding with these frames, or an empty text."""
    if len(prepared.validation.files) < VALIDATION_MIN:
        return f"that takes {VALIDATION_MIN} validation images, and there are {len(prepared.validation.files)}"
    targets = prepared.train.targets > 0
    if not targets.any(axis=0).all() or (task == "multilabel" and targets.all(axis=0).any()):
        return "a label is on none or on all of the training images"
    return ""


@dataclass(frozen=True, slots=True)
class _Scored:
    """Validation frames with one kind of decoding. loss: log loss of each frame, in nats, [n]. right: [n]."""

    loss: NDArray[np.float64]
    right: NDArray[np.bool_]


def choose_scale(
    model: keras.Model, prepared: PreparedData, scales: Sequence[int], task: Task, seed: int, progress: Progress
) -> ScaleFacts:
    """Compare scaled decoding with full decoding, the largest scale first, and accept the first one that may be used.

    A linear head is fitted on the features of up to 1,000 training frames for each kind of decoding, and scores the
    validation frames. A scale is accepted if no more of them are wrong, and if the 95 % confidence bound of the mean
    increase of the log loss is at most 0.02 nats (a test of non-inferiority, Walker and Nowacki 2011,
    https://doi.org/10.1007/s11606-010-1513-8). The log loss shows a decline before a label changes. The decoding time
    is measured, but decides nothing, so that a repeated fit decides the same.

    model: maps frames to features, [n, f]. scales: from `possible_scales`, not empty.
    """
    rng = np.random.default_rng(seed)
    train, validation = _some(prepared.train, _TRAINED_MAX, rng), _some(prepared.validation, _VALIDATION_MAX, rng)
    task_bar = progress.add_task("testing scaled decoding", total=None)

    def score(spec: DecodeSpec) -> _Scored:
        fitted = LinearHead.fit(_features(model, train, spec), train.targets, task, seed)
        scores = fitted.scores(_features(model, validation, spec), len(train.labels))
        return _judge(scores, validation.targets, task)

    full, trials = score(prepared.spec), []
    for scale in scales:
        scaled = msgspec.structs.replace(prepared.spec, jpeg_scale=scale)
        trials.append(_compare(scale, full, score(scaled), _decode_ratio(validation.files, prepared.spec, scaled)))
        if trials[-1].accepted:
            break
    progress.update(task_bar, total=1, completed=1)
    chosen = next((trial.scale for trial in trials if trial.accepted), 1)
    wrong = int((~full.right).sum())
    return ScaleFacts(chosen, len(train.files), len(validation.files), wrong, trials)


def _some(part: Subset, at_most: int, rng: np.random.Generator) -> Subset:
    """Return some frames at random, with at least one of each label if there are any."""
    order = rng.permutation(len(part.files))
    first = {int(np.flatnonzero(column[order])[0]) for column in part.targets.T if column.any()}
    kept = order[sorted(first | set(range(min(at_most, len(order)))))]
    return replace(part, files=[part.files[at] for at in kept], targets=part.targets[kept], annotations=[])


def _features(model: keras.Model, part: Subset, spec: DecodeSpec) -> Features:
    found = [model.predict_on_batch(frames) for frames, _ in read_batches(part, spec, PREDICT_BATCH)]
    return np.concatenate(found).reshape(len(part.files), -1)


def _judge(scores: Features, targets: Features, task: Task) -> _Scored:
    likely = np.clip(scores.astype(np.float64), _PROBABILITY_MIN, 1 - _PROBABILITY_MIN)
    of_labels = -np.where(targets > 0, np.log(likely), np.log(1 - likely) if task == "multilabel" else 0.0)
    right = (predicted_labels(scores, task) == (targets > 0)).all(axis=1)
    return _Scored(of_labels.sum(axis=1), right)


def _compare(scale: int, full: _Scored, scaled: _Scored, decode_ratio: float) -> ScaleTrial:
    difference = scaled.loss - full.loss
    mean = float(difference.mean())
    bound = mean + _ONE_SIDED_95 * float(difference.std(ddof=1)) / len(difference) ** 0.5
    wrong = int((~scaled.right).sum())
    accepted = wrong <= (~full.right).sum() and bound <= _LOSS_MARGIN
    return ScaleTrial(scale, wrong, round(mean, 5), round(bound, 5), round(decode_ratio, 3), bool(accepted))


def _decode_ratio(files: Sequence[Path], full: DecodeSpec, scaled: DecodeSpec) -> float:
    """Return the processor time of scaled decoding divided by that of full decoding, in alternating rounds."""
    encoded = [read_whole(file) for file in files[:_TIMED_FRAMES]]
    ratios = []
    for _ in range(_TIMED_ROUNDS):
        spent = []
        for spec in (full, scaled):
            started = time.thread_time()
            for each in encoded:
                decode(each, spec)
            spent.append(time.thread_time() - started)
        ratios.append(spent[1] / max(spent[0], 1e-9))
    return float(np.median(ratios))
