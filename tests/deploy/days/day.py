"""A simulated day: its lines, cameras, workers, events and expected alerts. Times are minutes from its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]
Span = tuple[float, float]  # (start, end), end excluded
FOREVER = float("inf")
ALWAYS: tuple[Span, ...] = ((0, FOREVER),)
CAMERAS: Mapping[str, tuple[Span, ...]] = {"top-1": ALWAYS, "top-2": ALWAYS}


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that answers at its instance while it lives. process: its number under a supervisor."""

    instance: str
    lives: tuple[Span, ...] = ALWAYS
    process: str = ""
    bundle: str = "sha-1"


@dataclass(frozen=True, slots=True)
class Line:
    """A line. stops: spans without frames. slow: share of frames whose result takes three seconds, by span."""

    name: str = "l1"
    cameras: Mapping[str, tuple[Span, ...]] = field(default_factory=lambda: CAMERAS)
    workers: tuple[Worker, ...] = (Worker("a"), Worker("b"))
    stops: tuple[Span, ...] = ()
    slow: Mapping[Span, float] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Change:
    """A deviation of the series with these labels from an ordinary day, from `start` until `stop`.

    value: value of a gauge. once, per_minute: additional counts of a counter. holds: the counter stops.
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
    """A rule that the plant adds to the targets: a planned stop, or a removed item."""

    record: str
    labels: Labels
    expr: str = "vector(1)"


@dataclass(frozen=True, slots=True)
class Day:
    """A day and its expected alerts. fires: exactly the alerts that fire at some time. at: those firing at a minute.

    coils: spans in which `stripwatch coils` runs; otherwise its target is gone. unscraped: spans without scrapes.
    step_s: seconds between scrapes. evaluate_s: seconds between evaluations.
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
    """Return alerts by their names without the common prefix."""
    return frozenset(f"Stripwatch{name}" for name in names)
