"""Per camera: what its frames look like, how sure the model is of them, and how far both are from the reference."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.config.drift import DriftSettings
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.image_statistics import STATISTICS, FrameStatistics, Statistic
from stripwatch.worker.model.reference import Reference

Condition = Literal["silent", "dark", "blurred", "frozen", "misnamed", "untrained_size"]
ScoreStatistic = Literal["confidence", "unsure"]
ScoreDrift = Literal["confidence", "unsure", "classes"]
LabelStat = tuple[Literal["share", "confidence", "unsure"], str]  # of a label, over all frames: its part of a mean
K = TypeVar("K", bound=Hashable)

_MIN_FILL = 0.1  # of the frames that a mean is over: before that it says little
_DEVIATION_MIN = 0.01  # of the mean: reference frames that are all alike make no infinite distance
_UNTRAINED_FRAMES = 50  # one of the newest 50 is enough: a camera with two sizes does not change its state every second
_TRACE_BYTES = 1024
_COMPRESSED = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")  # JPEG, PNG, WebP
_AWAY_S_MAX = 5.0  # a partition that comes straight back after a rebalance takes a moment to be in its place


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the frames of one model are held against. unsure_counts: its thresholds are those of its reference."""

    model_sha256: str
    reference: Reference | None
    unsure_counts: bool = True


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """Of the model, on one frame, as its event says it."""

    label: str
    confidence: float
    unsure: bool


@dataclass(frozen=True, slots=True)
class CameraReport:
    """Statistics without enough samples are omitted.

    distances: of a statistic's mean from the reference's, in standard deviations of the reference (Glass 1976; from 0.8
    on Cohen 1988 calls a difference large). scores: mean confidence, share of unsure frames. score_drift: each of the
    two less what the reference has for the same classes, so that a strip with more of one class is no drift; and
    `classes`, half the sum of the differences of class shares (total variation, Gibbs and Su 2002): the share of
    answers that would have to be others.
    """

    conditions: Mapping[Condition, bool]
    statistics: Mapping[Statistic, float] = field(default_factory=dict)
    distances: Mapping[Statistic, float] = field(default_factory=dict)
    scores: Mapping[ScoreStatistic, float] = field(default_factory=dict)
    score_drift: Mapping[ScoreDrift, float] = field(default_factory=dict)


class DecayedSums(Generic[K]):
    """Sums over about the newest frames_max frames: once that many are together, all of them count half."""

    def __init__(self, frames_max: int) -> None:
        self.frames = 0.0
        self._sums: dict[K, float] = {}
        self._frames_max = frames_max

    def add(self, values: Mapping[K, float]) -> None:
        """One frame more."""
        if self.frames >= self._frames_max:
            self.frames /= 2
            self._sums = {name: total / 2 for name, total in self._sums.items()}
        self.frames += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[K, float]:
        """Over all frames, each name; none before a tenth of frames_max is there."""
        if self.frames < max(1.0, _MIN_FILL * self._frames_max):
            return {}
        return {name: total / self.frames for name, total in self._sums.items()}


@dataclass(slots=True)
class _CameraState:
    partition: Partition
    baseline: Baseline
    measured: DecayedSums[Statistic]
    scored: DecayedSums[LabelStat]
    unseen_s: float = 0.0
    away_s: float = 0.0  # since its partition is another worker's
    trace: tuple[int, bytes] = (0, b"")
    same_frames: int = 0
    since_untrained: int = _UNTRAINED_FRAMES  # frames since the last one of an untrained size

    def advance(self, seconds: float, held: bool) -> None:
        if held:
            self.unseen_s, self.away_s = self.unseen_s + seconds, 0.0
        else:
            self.away_s += seconds

    def compare(self, encoded: bytes, raw: bool) -> None:
        """With the frame before."""
        trace = len(encoded), _trace(encoded, raw)
        self.same_frames = self.same_frames + 1 if trace == self.trace else 1
        self.trace = trace


def _trace(encoded: bytes, raw: bool) -> bytes:
    """Bytes in which two pictures with noise differ, and those of a camera that only counts its time do not.

    A compressed file differs in length or end, and has its clock in the head. Of pixels as they are the end may show
    the same black beside the strip in each frame, so some are taken from everywhere behind the head.
    """
    if not raw and encoded.startswith(_COMPRESSED):
        return encoded[-_TRACE_BYTES:]
    return np.frombuffer(encoded, np.uint8)[_trace_places(len(encoded))].tobytes() if encoded else b""


@lru_cache(maxsize=64)
def _trace_places(size: int) -> NDArray[np.int64]:
    """Irregular, because a regular step may be a multiple of the row: all bytes would be of one column."""
    return np.sort(np.random.default_rng(0).integers(size // 8, size, _TRACE_BYTES))


class Drift:
    """Holds a few numbers and a kilobyte for each camera. Not thread safe. Who calls bounds the number of cameras."""

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._cameras: dict[str, _CameraState] = {}

    def observe(
        self,
        name: str,
        partition: Partition,
        baseline: Baseline,
        encoded: bytes | None = None,
        statistics: FrameStatistics | None = None,
        answer: ScoredAnswer | None = None,
        untrained: bool | None = None,
        raw: bool = False,
    ) -> None:
        """A frame of this camera has come through. encoded: None for one that is no image. raw: it is a raw buffer.

        statistics: where it was measured. answer: where it was inspected. untrained: whether it is unlike the training
        frames in size or scale; None where that was not looked at. With another model the means start again.
        """
        camera = self._cameras.get(name)
        if camera is None:
            camera = self._cameras[name] = _CameraState(partition, baseline, *self._nothing_yet())
        if camera.baseline.model_sha256 != baseline.model_sha256:
            camera.measured, camera.scored = self._nothing_yet()
            camera.since_untrained = _UNTRAINED_FRAMES
        camera.partition, camera.baseline, camera.unseen_s = partition, baseline, 0.0
        if encoded is not None:
            camera.compare(encoded, raw)
        if untrained is not None:
            camera.since_untrained = 0 if untrained else camera.since_untrained + 1
        if statistics is not None:
            camera.measured.add({each: getattr(statistics, each) for each in STATISTICS})
        if answer is not None:
            at, confidence, unsure = answer.label, answer.confidence, float(answer.unsure)
            camera.scored.add({("share", at): 1.0, ("confidence", at): confidence, ("unsure", at): unsure})

    def evaluate(self, passed_s: float, reading: bool, held: Collection[Partition]) -> dict[str, CameraReport]:
        """What there is to say of each camera, passed_s after the last report.

        reading: whether a frame, had there been one, would have come in: a worker that waits for Kafka, or is full,
        calls no camera silent. held: the worker's partitions; cameras of others are not missed, and soon forgotten.
        """
        if reading:
            for camera in self._cameras.values():
                camera.advance(passed_s, camera.partition in held)
            self._cameras = {name: camera for name, camera in self._cameras.items() if camera.away_s < _AWAY_S_MAX}
        return {name: self._report(camera) for name, camera in self._cameras.items()}

    def _nothing_yet(self) -> tuple[DecayedSums[Statistic], DecayedSums[LabelStat]]:
        return DecayedSums(self._settings.measured_frames), DecayedSums(self._settings.scored_frames)

    def _report(self, camera: _CameraState) -> CameraReport:
        if camera.unseen_s >= self._settings.silent_s:  # what it last showed is past
            return CameraReport({"silent": True})
        statistics, parts = camera.measured.means(), camera.scored.means()
        conditions = self._conditions(camera, statistics)
        reference = camera.baseline.reference
        return CameraReport(
            conditions,
            statistics,
            distances(statistics, reference) if reference else {},
            scores(parts),
            score_drift(parts, reference, camera.baseline.unsure_counts) if reference else {},
        )

    def _conditions(self, camera: _CameraState, statistics: Mapping[Statistic, float]) -> dict[Condition, bool]:
        settings, reference = self._settings, camera.baseline.reference
        conditions: dict[Condition, bool] = {
            "silent": False,
            "frozen": camera.same_frames >= settings.frozen_frames,
            "untrained_size": camera.since_untrained < _UNTRAINED_FRAMES,
        }
        if not statistics:
            return conditions
        dark_below = settings.dark_ratio * reference.brightness.mean if reference else settings.dark_brightness
        conditions["dark"] = statistics["brightness"] < dark_below
        if reference:  # in the dark there is nothing to be sharp
            blurred = statistics["sharpness"] < settings.blurred_ratio * reference.sharpness.mean
            conditions["blurred"] = blurred and not conditions["dark"]
        return conditions


def distances(statistics: Mapping[Statistic, float], reference: Reference) -> dict[Statistic, float]:
    """Glass's delta of each mean; none where the reference has no spread at all."""
    found: dict[Statistic, float] = {}
    for name, mean in statistics.items():
        usual = getattr(reference, name)
        deviation = max(usual.deviation, _DEVIATION_MIN * usual.mean)
        if deviation > 0:
            found[name] = (mean - usual.mean) / deviation
    return found


def scores(parts: Mapping[LabelStat, float]) -> dict[ScoreStatistic, float]:
    """Over all labels."""
    if not parts:
        return {}
    return {
        "confidence": sum(_by_label(parts, "confidence").values()),
        "unsure": sum(_by_label(parts, "unsure").values()),
    }


def score_drift(
    parts: Mapping[LabelStat, float], reference: Reference, unsure_counts: bool = True
) -> dict[ScoreDrift, float]:
    """As CameraReport says."""
    if not parts:
        return {}
    shares, usual = _by_label(parts, "share"), reference.classes
    usual_shares = {label: usual[label].share for label in usual}
    apart = sum(abs(shares.get(label, 0.0) - usual_shares.get(label, 0.0)) for label in shares | usual_shares)
    drift: dict[ScoreDrift, float] = {"classes": apart / 2}
    known = {label: share for label, share in shares.items() if label in usual}
    if frames := sum(known.values()):  # else the model gives only answers that it never gave before
        confidence, unsure = _by_label(parts, "confidence"), _by_label(parts, "unsure")
        drift["confidence"] = sum(confidence[at] - known[at] * usual[at].confidence for at in known) / frames
        if unsure_counts:
            drift["unsure"] = sum(unsure[at] - known[at] * usual[at].unsure for at in known) / frames
    return drift


def _by_label(parts: Mapping[LabelStat, float], what: str) -> dict[str, float]:
    return {label: part for (kind, label), part in parts.items() if kind == what}
