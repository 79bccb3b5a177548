"""Drift per camera: image statistics and model confidence, compared with the bundle's reference."""

from collections import deque
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.line.camera_state import ColourCounts, Condition, NoveltyCounts
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.colour import COLOUR_MIN
from stripwatch.worker.images.image_statistics import STATISTICS, FrameStatistics, Statistic
from stripwatch.worker.model.reference import Reference
from stripwatch.worker.observers.conditions.image_conditions import image_conditions
from stripwatch.worker.observers.conditions.image_limits import Limits, image_limits
from stripwatch.worker.observers.score_drift import (
    LabelStat,
    ScoredAnswer,
    ScoreDrift,
    ScoreStatistic,
    label_stats,
    score_drift,
    scores,
)

K = TypeVar("K", bound=Hashable)

_MIN_FILL = 0.1  # share of the window that must be filled before a mean is reported
_DEVIATION_MIN = 0.01  # share of the mean: keeps distances finite if all reference frames are alike
# one of the newest 50 frames is enough, so that a camera with two sizes does not change its state every second
_UNTRAINED_FRAMES = 50
# A single coloured frame may show a glove. Three of 20 are a rare kind of rust, or paint, or another camera.
_COLOUR_CHECKS, _COLOURED_MIN = 20, 3
_TRACE_BYTES = 1024
_COMPRESSED = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")  # JPEG, PNG, WebP
_NAMED_CAUSES: tuple[Condition, ...] = ("dark", "bright", "low_contrast", "noisy", "blurred")
_AWAY_S_MAX = 5.0  # a partition that is revoked and assigned again in a rebalance is missing for a moment


@dataclass(frozen=True, slots=True)
class Baseline:
    """The reference with which the frames of one model are compared.

    unsure_counts: False if the settings replace the thresholds of the bundle, which changes the unsure share.
    camera_limits: limits of image statistics beyond which the model is not reliable; None if they are not known.
    """

    model_sha256: str
    reference: Reference | None
    unsure_counts: bool = True
    camera_limits: Mapping[str, CameraLimit] | None = None


@dataclass(frozen=True, slots=True)
class CameraReport:
    """Report on one camera. Statistics without enough samples are omitted.

    distances: distance of each mean from the reference, in standard deviations of the reference (Glass 1976; Cohen 1988
    calls a difference of 0.8 or more large). scores: mean confidence and share of unsure frames. score_drift: the
    difference of both from the reference for the same labels, so that a strip with more of one label does not count as
    drift; and `classes`, half the sum of the absolute differences of label shares (total variation, Gibbs and Su 2002),
    which is the share of frames that would need another label to match the reference. Novel frames count as unsure, but
    not in confidence and classes, because their label is arbitrary. novelty: recent novel frames,
    None where novelty scores have no effect. colour: of the newest frames that were also decoded in colour, None if
    there are none. limits: limits of the statistics by condition.
    """

    conditions: Mapping[Condition, bool]
    statistics: Mapping[Statistic, float] = field(default_factory=dict)
    distances: Mapping[Statistic, float] = field(default_factory=dict)
    scores: Mapping[ScoreStatistic, float] = field(default_factory=dict)
    score_drift: Mapping[ScoreDrift, float] = field(default_factory=dict)
    novelty: NoveltyCounts | None = None
    colour: ColourCounts | None = None
    limits: Limits = field(default_factory=dict)

    def detail(self, condition: Condition) -> str | None:
        """Return value, limit and origin of the limit of a condition; None if it has no limit of a statistic."""
        limit = self.limits.get(condition)
        return limit.describe(self.statistics) if limit else None


class DecayedSums(Generic[K]):
    """Sums over approximately the newest frames_max frames.

    When that number is reached, the weight of all past frames is halved.
    """

    def __init__(self, frames_max: int) -> None:
        self.frames = 0.0
        self._sums: dict[K, float] = {}
        self._frames_max = frames_max

    def add(self, values: Mapping[K, float]) -> None:
        """Add the values of one frame."""
        if self.frames >= self._frames_max:
            self.frames /= 2
            self._sums = {name: total / 2 for name, total in self._sums.items()}
        self.frames += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[K, float]:
        """Return the mean of each value over all frames, or nothing before a tenth of frames_max is reached."""
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
    away_s: float = 0.0  # seconds since its partition was assigned to another worker
    trace: tuple[int, bytes] = (0, b"")
    same_frames: int = 0
    since_untrained: int = _UNTRAINED_FRAMES  # frames since the last one of an untrained size
    colours: deque[int] = field(default_factory=lambda: deque(maxlen=_COLOUR_CHECKS))
    limits: Limits = field(default_factory=dict)

    def advance(self, seconds: float, held: bool) -> None:
        if held:
            self.unseen_s, self.away_s = self.unseen_s + seconds, 0.0
        else:
            self.away_s += seconds

    def colour_counts(self) -> ColourCounts | None:
        if not self.colours:
            return None
        coloured = sum(colour >= COLOUR_MIN for colour in self.colours)
        return ColourCounts(len(self.colours), coloured, max(self.colours))

    def compare(self, encoded: bytes, raw: bool) -> None:
        """Compare a frame with the previous one."""
        trace = len(encoded), _trace(encoded, raw)
        self.same_frames = self.same_frames + 1 if trace == self.trace else 1
        self.trace = trace


def _trace(encoded: bytes, raw: bool) -> bytes:
    """Return bytes that differ between two images with noise, even if a camera only updates a timestamp in the file.

    A compressed file differs in its length or its end, and has its timestamp in the header. The last bytes of a raw
    buffer may show the same black next to the strip in each frame, so samples are taken from everywhere behind the
    header.
    """
    if not raw and encoded.startswith(_COMPRESSED):
        return encoded[-_TRACE_BYTES:]
    return np.frombuffer(encoded, np.uint8)[_trace_positions(len(encoded))].tobytes() if encoded else b""


@lru_cache(maxsize=64)
def _trace_positions(size: int) -> NDArray[np.int64]:
    """Return random positions in a raw buffer.

    A regular step may be a multiple of the row length, which would sample a single column.
    """
    return np.sort(np.random.default_rng(0).integers(size // 8, size, _TRACE_BYTES))


class Drift:
    """State of all cameras: a few numbers and a kilobyte per camera. Not thread-safe.

    The caller bounds the number of cameras.
    """

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
        colour: int | None = None,
    ) -> None:
        """Record a frame of a camera. If the model has changed, the means start again.

        encoded: None if it is not an image. statistics: None if it was not measured. answer: None if it was not
        inspected. untrained: whether it differs in size or scale from the training frames; None if that was not
        checked. raw: whether it is a raw buffer. colour: of a frame that the model sees in grey; None if it was not
        measured.
        """
        camera = self._cameras.get(name)
        if camera is None:
            camera = self._cameras[name] = _CameraState(partition, baseline, *self._empty_sums())
            camera.limits = self._limits(baseline)
        if camera.baseline.model_sha256 != baseline.model_sha256:
            camera.measured, camera.scored = self._empty_sums()
            camera.since_untrained = _UNTRAINED_FRAMES
            camera.colours.clear()
            camera.limits = self._limits(baseline)
        camera.partition, camera.baseline, camera.unseen_s = partition, baseline, 0.0
        if encoded is not None:
            camera.compare(encoded, raw)
        if untrained is not None:
            camera.since_untrained = 0 if untrained else camera.since_untrained + 1
        if statistics is not None:
            values = {each: getattr(statistics, each) for each in STATISTICS}
            camera.measured.add({name: value for name, value in values.items() if value is not None})
        if colour is not None:
            camera.colours.append(colour)
        if answer is not None:
            camera.scored.add(label_stats(answer))

    def evaluate(self, passed_s: float, reading: bool, held: Collection[Partition]) -> dict[str, CameraReport]:
        """Return a report for each camera, passed_s seconds after the previous one.

        reading: whether frames could be read in that time; a worker that waits for Kafka or is full reports no camera
        as silent. held: the worker's partitions; cameras of other partitions are not reported as silent and are soon
        forgotten.
        """
        if reading:
            for camera in self._cameras.values():
                camera.advance(passed_s, camera.partition in held)
            self._cameras = {name: camera for name, camera in self._cameras.items() if camera.away_s < _AWAY_S_MAX}
        return {name: self._report(camera) for name, camera in self._cameras.items()}

    def _limits(self, baseline: Baseline) -> Limits:
        return image_limits(self._settings, baseline.reference, baseline.camera_limits)

    def _empty_sums(self) -> tuple[DecayedSums[Statistic], DecayedSums[LabelStat]]:
        return DecayedSums(self._settings.measured_frames), DecayedSums(self._settings.scored_frames)

    def _report(self, camera: _CameraState) -> CameraReport:
        if camera.unseen_s >= self._settings.silent_s:  # its last statistics are outdated
            return CameraReport({"silent": True})
        statistics, parts = camera.measured.means(), camera.scored.means()
        conditions = self._conditions(camera, statistics)
        colour = camera.colour_counts()
        if colour is not None:
            conditions["coloured"] = colour.coloured >= _COLOURED_MIN
        reference = camera.baseline.reference
        apart = distances(statistics, reference) if reference else {}
        if apart:  # the other conditions already name the cause of a large distance
            named = any(conditions.get(name) for name in _NAMED_CAUSES)
            conditions["drifting"] = max(map(abs, apart.values())) > self._settings.distance_max and not named
        return CameraReport(
            conditions,
            statistics,
            apart,
            scores(parts),
            score_drift(parts, reference, camera.baseline.unsure_counts) if reference else {},
            colour=colour,
            limits=camera.limits,
        )

    def _conditions(self, camera: _CameraState, statistics: Mapping[Statistic, float]) -> dict[Condition, bool]:
        conditions: dict[Condition, bool] = {
            "silent": False,
            "frozen": camera.same_frames >= self._settings.frozen_frames,
            "untrained_size": camera.since_untrained < _UNTRAINED_FRAMES,
        }
        if not statistics:
            return conditions
        return conditions | image_conditions(statistics, camera.limits, camera.baseline.reference)


def distances(statistics: Mapping[Statistic, float], reference: Reference) -> dict[Statistic, float]:
    """Return Glass's delta of each mean, except where the reference has no spread at all."""
    found: dict[Statistic, float] = {}
    for name, mean in statistics.items():
        usual = getattr(reference, name)
        if usual is None:  # the bundle is older than the statistic
            continue
        deviation = max(usual.deviation, _DEVIATION_MIN * usual.mean)
        if deviation > 0:
            found[name] = (mean - usual.mean) / deviation
    return found
