"""The rules that turn the figures of a coil into its state, and the severity of classes.

They are pure functions over counts, so the live page, the coil report and `stripwatch coils` agree, and other rules can
replace this module.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

import msgspec

from stripwatch.worker.config.page_sections import LimitsSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import (
    CoilState,
    CoilSummary,
    ExceededLimit,
    FrameCounts,
    LimitRule,
    LimitUnit,
    Severity,
)

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")  # least serious first
STATES: tuple[CoilState, ...] = ("ok", "warning", "alarm")


class _Scored(Protocol):
    @property
    def label(self) -> str: ...

    @property
    def score(self) -> float: ...


ScoredT = TypeVar("ScoredT", bound=_Scored)


@dataclass(frozen=True, slots=True)
class GradingRules:
    """Severity of each class and the limits of a coil, from the settings `[severity]` and `[limits]`."""

    severities: Mapping[str, Severity] = field(default_factory=dict)
    limits: LimitsSettings = field(default_factory=LimitsSettings)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the rules of these `Settings`."""
        return cls(settings.severity, settings.limits)

    def severity_of(self, label: str) -> Severity:
        return self.severities.get(label, self.limits.unlisted_severity)

    def seriousness(self, label: str, score: float) -> tuple[int, float]:
        """Return a sort key: severity of the class first, then the score."""
        return SEVERITIES.index(self.severity_of(label)), score

    def most_serious(self, defects: Iterable[ScoredT]) -> ScoredT | None:
        """Return the defect of the most severe class, and among those the one with the best score; None without any."""
        return max(defects, key=lambda defect: self.seriousness(defect.label, defect.score), default=None)

    def has_no_limit(self, label: str) -> bool:
        critical = self.limits.critical_alarm and self.severity_of(label) == "critical"
        return not critical and label not in self.limits.defect_frames_per_100_m

    @property
    def labels(self) -> frozenset[str]:
        """All labels that the settings name."""
        return frozenset(self.severities) | frozenset(self.limits.defect_frames_per_100_m)


@dataclass(frozen=True, slots=True)
class CoilFigures:
    """The figures of a coil that its state depends on.

    unsure: inspected frames with the verdict `unsure`. novel: those of them that are novel. defect_frames: number of
    frames with a defect of each class. length_mm: length between the first and the last known position, None without
    positions. uncovered_mm: part of it that no inspected frame shows, None if the scale is not known.
    """

    frames: FrameCounts
    unsure: int
    defect_frames: Mapping[str, int]
    length_mm: int | None = None
    uncovered_mm: int | None = None
    novel: int = 0

    @property
    def inspected_mm(self) -> int | None:
        """Inspected length in millimetres, or None without positions. Without a scale it is the whole length."""
        return self.length_mm - (self.uncovered_mm or 0) if self.length_mm else None


@dataclass(frozen=True, slots=True)
class CoilGrade:
    """State of a coil with its reasons, the most serious first.

    by_frames: the limits per 100 m were applied per 100 inspected frames, because no position is known. without_limit:
    classes with defects that no limit covers, so the state says nothing about them.
    """

    state: CoilState
    exceeded: tuple[ExceededLimit, ...]
    by_frames: bool
    without_limit: tuple[str, ...] = ()


def grade_coil(figures: CoilFigures, rules: GradingRules) -> CoilGrade:
    """Return the state of a coil: that of the most serious limit it exceeds."""
    found = [*_critical(figures, rules), *_classes(figures, rules), *_percentages(figures, rules)]
    exceeded = tuple(sorted(found, key=_by_importance))
    states = [STATES.index(each.state) for each in exceeded]
    without_limit = tuple(sorted(filter(rules.has_no_limit, +Counter(figures.defect_frames))))
    return CoilGrade(STATES[max(states, default=0)], exceeded, figures.inspected_mm is None, without_limit)


def defect_rate(figures: CoilFigures, limits: LimitsSettings, frames: int) -> tuple[float, LimitUnit]:
    """Return the rate of `frames` defective frames: per 100 m, or per 100 inspected frames without positions."""
    if figures.inspected_mm is None:
        return 100 * frames / max(figures.frames.inspected, limits.frames_min), "percent_of_frames"
    return 100 * frames / max(figures.inspected_mm / 1000, limits.strip_m_min), "frames_per_100_m"


def _critical(figures: CoilFigures, rules: GradingRules) -> Iterable[ExceededLimit]:
    """One defect of a critical class is an alarm, however short the strip: it can damage what comes next."""
    for label, frames in figures.defect_frames.items():
        if rules.limits.critical_alarm and frames and rules.severity_of(label) == "critical":
            yield ExceededLimit("critical", label, "alarm", frames, 0, "frames")


def _classes(figures: CoilFigures, rules: GradingRules) -> Iterable[ExceededLimit]:
    for label, limit in rules.limits.defect_frames_per_100_m.items():
        value, unit = defect_rate(figures, rules.limits, figures.defect_frames.get(label, 0))
        worst: CoilState = "warning" if rules.severity_of(label) == "minor" else "alarm"
        yield from _compare("defects", label, value, limit, unit, rules.limits.warning_at, worst)


def _percentages(figures: CoilFigures, rules: GradingRules) -> Iterable[ExceededLimit]:
    limits, frames = rules.limits, figures.frames
    total = max(frames.inspected + frames.skipped + frames.rejected, limits.frames_min)
    inspected = max(frames.inspected, limits.frames_min)
    length_mm = max(figures.length_mm or 0, 1000 * limits.strip_m_min)
    shares: tuple[tuple[LimitRule, float, float, float, LimitUnit], ...] = (
        ("rejected", frames.rejected, total, limits.rejected_percent, "percent_of_frames"),
        ("uncovered", figures.uncovered_mm or 0, length_mm, limits.uncovered_percent, "percent_of_strip"),
        ("unsure", figures.unsure, inspected, limits.unsure_percent, "percent_of_frames"),
    )
    for rule, part, whole, limit, unit in shares:
        if limit < 100:
            yield from _compare(rule, None, 100 * part / whole, limit, unit, limits.warning_at, "alarm")
    if limits.novel_percent < 100:  # nobody knows what these frames show, so they are no reason for an alarm
        share = 100 * figures.novel / inspected
        yield from _compare("novel", None, share, limits.novel_percent, "percent_of_frames", 1, "warning")


def _compare(
    rule: LimitRule, label: str | None, value: float, limit: float, unit: LimitUnit, warning_at: float, worst: CoilState
) -> Iterable[ExceededLimit]:
    if value > limit:
        yield ExceededLimit(rule, label, worst, round(value, 2), limit, unit)
    elif value > limit * warning_at:
        yield ExceededLimit(rule, label, "warning", round(value, 2), limit, unit)


def _by_importance(exceeded: ExceededLimit) -> tuple[int, bool, float, str, str]:
    excess = exceeded.value / exceeded.limit if exceeded.limit else exceeded.value
    return -STATES.index(exceeded.state), exceeded.rule != "critical", -excess, exceeded.rule, exceeded.label or ""


def figures_of(summary: CoilSummary) -> CoilFigures:
    return CoilFigures(
        frames=summary.frames,
        unsure=summary.verdicts.get("unsure", 0),
        defect_frames=summary.defect_frames,
        length_mm=summary.length_mm,
        uncovered_mm=summary.uncovered_mm,
        novel=summary.novel,
    )


def with_grade(summary: CoilSummary, rules: GradingRules) -> CoilSummary:
    """Return the summary with its state, the reasons, and the severity of its classes."""
    grade = grade_coil(figures_of(summary), rules)
    labels = sorted({*summary.defects, *summary.defect_frames})
    severities = {label: rules.severity_of(label) for label in labels}
    return msgspec.structs.replace(
        summary,
        state=grade.state,
        exceeded=list(grade.exceeded),
        severities=severities,
        without_limit=list(grade.without_limit),
    )


_NAMES = {"rejected": "rejected", "uncovered": "not covered", "unsure": "unsure", "novel": "novel"}
_UNITS: dict[LimitUnit, str] = {
    "frames": " frames",
    "frames_per_100_m": " frames per 100 m",
    "percent_of_frames": " % of frames",
    "percent_of_strip": " % of strip",
}


def reason_text(exceeded: ExceededLimit) -> str:
    """Describe a limit that a coil exceeds or nearly reaches: "scratch 12 frames per 100 m (limit 5)"."""
    name, unit = exceeded.label or _NAMES[exceeded.rule], _UNITS[exceeded.unit]
    if exceeded.rule == "critical":
        unit = " frame" if exceeded.value == 1 else unit
        return f"{name} {exceeded.value:.10g}{unit} (critical class)"
    return f"{name} {exceeded.value:.10g}{unit} (limit {exceeded.limit:.10g})"
