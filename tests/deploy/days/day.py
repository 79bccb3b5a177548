"""A day: its lines, cameras and workers, what happens, and the alerts that fire. Times are minutes from its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]
Span = tuple[float, float]  # from, and until just before
FOREVER = float("inf")
ALWAYS: tuple[Span, ...] = ((0, FOREVER),)
CAMERAS: Mapping[str, tuple[Span, ...]] = {"top-1": ALWAYS, "top-2": ALWAYS}


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that answers at its instance while it lives. process: its number, where a supervisor has several."""

    instance: str
    lives: tuple[Span, ...] = ALWAYS
    process: str = ""
    bundle: str = "sha-1"


@dataclass(frozen=True, slots=True)
class Line:
    """stops: no camera sends. slow: share of frames whose result takes three seconds, by span. device: a label."""

    name: str = "l1"
    cameras: Mapping[str, tuple[Span, ...]] = field(default_factory=lambda: CAMERAS)
    workers: tuple[Worker, ...] = (Worker("a"), Worker("b"))
    stops: tuple[Span, ...] = ()
    slow: Mapping[Span, float] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Change:
    """What the series with these labels do otherwise than on an ordinary day, from `start` until `stop`.

    value: what a gauge shows. once, per_minute: what a counter counts beside its ordinary course. holds: it stops.
    """

    metric: str
    labels: Labels
    start: float
    stop: float = FOREVER
    value: float | None = None
    once: int = 0
    per_minute: int = 0
    holds: bool = False


@dataclass(frozen=True, slots=True)
class PlantRule:
    """A rule that the plant writes into the targets: a planned stop, or what it has removed."""

    record: str
    labels: Labels
    expr: str = "vector(1)"


@dataclass(frozen=True, slots=True)
class Day:
    """fires: the alerts that fire at any time of it; no other does. at: exactly those that fire at that minute.

    coils: when `stripwatch coils` runs; else its target is gone. unscraped: Prometheus scrapes nothing. step_s: between
    two scrapes. evaluate_s: between two evaluations.
    """

    name: str
    minutes: int
    lines: tuple[Line, ...] = (Line(),)
    changes: tuple[Change, ...] = ()
    fires: frozenset[str] = frozenset()
    at: Mapping[int, frozenset[str]] = field(default_factory=dict)
    plant: tuple[PlantRule, ...] = ()
    coils: tuple[Span, ...] = ALWAYS
    unscraped: tuple[Span, ...] = ()
    step_s: int = 60
    evaluate_s: int = 60


def alerts(*names: str) -> frozenset[str]:
    """By their names without the prefix that all have."""
    return frozenset(f"Stripwatch{name}" for name in names)
