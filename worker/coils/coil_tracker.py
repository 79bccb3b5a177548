"""Which coils are running and which have ended, as somebody sees it who reads the looks of all cameras."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from stripwatch.worker.coils.coil import CoilAggregate, Ended
from stripwatch.worker.coils.line_cameras import LineCameras, configured_cameras
from stripwatch.worker.coils.observations import Observation
from stripwatch.worker.coils.strip.stretches import StripRules
from stripwatch.worker.config.settings import Settings

Key = tuple[str | None, str | None]  # line and coil
_CLOSED_MAX = 5_000


@dataclass(frozen=True, slots=True)
class CoilRules:
    """A coil has ended when nothing of it came for settle_s and the line has moved on, or for silence_s anyway.

    settle_s is there because cameras are read through different partitions: one may still be on the old coil.
    frames_max bounds the memory of a line that never names a new coil, open_max that of one which always does.
    cameras: by line, those that the settings name; of the other lines those are expected that saw the coils before.
    """

    settle_s: float = 10.0
    silence_s: float = 120.0
    frames_max: int = 1_000_000
    open_max: int = 1_000
    strip: StripRules = field(default_factory=StripRules)
    cameras: Mapping[str, Collection[str]] = field(default_factory=dict)

    def with_settings(self, settings: Settings) -> Self:
        """The same rules, with what the settings say of the strip and of the cameras."""
        return replace(self, strip=StripRules.of(settings.coils), cameras=configured_cameras(settings.cameras))


@dataclass(slots=True)
class _Open:
    log: CoilAggregate
    heard_s: float


class CoilTracker:
    """Time comes in from outside (seconds of any clock), so that a test never waits."""

    def __init__(self, rules: CoilRules) -> None:
        self.repeats = 0
        self.late = 0
        self._rules = rules
        self._cameras = LineCameras(rules.cameras)
        self._open: dict[Key, _Open] = {}
        self._closed: OrderedDict[Key, int] = OrderedDict()

    @property
    def running(self) -> list[CoilAggregate]:
        """The open coils, in the order in which they began."""
        return sorted((coil.log for coil in self._open.values()), key=lambda log: log.first_ms)

    def is_open(self, key: Key) -> bool:
        return key in self._open

    def frames_of(self, key: Key) -> int:
        """The number of frames of an open coil; 0 for any other."""
        coil = self._open.get(key)
        return coil.log.frames if coil else 0

    def add(self, observation: Observation, now_s: float) -> CoilAggregate | None:
        """The coil that the look was added to; None for a repeat, and for a look at a part that has ended."""
        key = observation.line, observation.coil
        if observation.captured_ms <= self._closed.get(key, -1):
            self.late += 1
            return None
        coil = self._open.get(key)
        if coil is None:
            self._open[key] = _Open(CoilAggregate(observation, self._rules.strip), now_s)
            return self._open[key].log
        coil.heard_s = now_s
        if coil.log.add(observation):
            return coil.log
        self.repeats += 1
        return None

    def close(self, now_s: float) -> list[tuple[CoilAggregate, Ended]]:
        """The coils that have ended by now, oldest first; each is handed out once."""
        ended = [(key, coil.log, why) for key, coil in self._open.items() if (why := self._ended(key, coil, now_s))]
        left = sorted(self._open.keys() - {key for key, *_ in ended}, key=lambda key: self._open[key].heard_s)
        ended += [(key, self._open[key].log, "limit") for key in left[: max(0, len(left) - self._rules.open_max)]]
        for key, log, _ in ended:
            del self._open[key]
            self.remember_closed(key, log.last_ms)
        in_order = [(log, why) for _, log, why in sorted(ended, key=lambda entry: entry[1].first_ms)]
        for log, _ in in_order:
            self.expect_cameras(log)
            self.remember_cameras(log.line, log.cameras)
        return in_order

    def expect_cameras(self, log: CoilAggregate) -> None:
        """Tell a coil which cameras should have seen it: by the settings, else by the coils of its line before."""
        log.expected = self._cameras.expected(log.line)

    def remember_cameras(self, line: str | None, cameras: Iterable[str]) -> None:
        """These sent frames of a coil that has ended, so the next coil of the line is expected to have them too."""
        self._cameras.saw(line, cameras)

    def remember_closed(self, key: Key, last_ms: int) -> None:
        """A coil was summarised up to this time of capture: what comes of it from before is late or a repeat."""
        self._closed[key] = max(last_ms, self._closed.pop(key, last_ms))
        while len(self._closed) > _CLOSED_MAX:
            self._closed.popitem(last=False)

    def _ended(self, key: Key, coil: _Open, now_s: float) -> Ended | None:
        quiet_s = now_s - coil.heard_s
        if quiet_s >= self._rules.settle_s and self._moved_on(key, coil.log):
            return "next-coil"
        if quiet_s >= self._rules.silence_s:
            return "silence"
        return "limit" if coil.log.frames >= self._rules.frames_max else None

    def _moved_on(self, key: Key, log: CoilAggregate) -> bool:
        return any(other[0] == key[0] and coil.log.first_ms > log.first_ms for other, coil in self._open.items())
