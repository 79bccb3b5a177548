"""The rules for the state of a coil. Its figures only count: their order cannot matter, and more is never better."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.grading.coil_state import (
    STATES,
    CoilFigures,
    GradingRules,
    defect_rate,
    figures_of,
    grade_coil,
    reason_text,
)
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.config.page_sections import LimitsSettings
from stripwatch.worker.contracts.coil_summary import FrameCounts, Severity
from tests.worker.coils.samples import defect, observation

LABELS = ("scratch", "pits", "crack")
SEVERITY: st.SearchStrategy[Severity] = st.sampled_from(["minor", "major", "critical"])


def figures(inspected: int = 1_000, length_m: int | None = 1_000, uncovered_m: int = 0, **changes: Any) -> CoilFigures:
    frames = FrameCounts(inspected, changes.pop("skipped", 0), changes.pop("rejected", 0))
    length_mm = None if length_m is None else 1_000 * length_m
    defect_frames = changes.pop("defect_frames", {})
    uncovered_mm = None if length_m is None else 1_000 * uncovered_m
    return CoilFigures(frames, changes.pop("unsure", 0), defect_frames, length_mm, uncovered_mm)


def rules(severities: Any = None, **limits: Any) -> GradingRules:
    return GradingRules(severities or {}, LimitsSettings(**limits))


SCRATCH: dict[str, Any] = {"defect_frames_per_100_m": {"scratch": 5}}


@pytest.mark.parametrize(("frames", "state"), [(40, "ok"), (41, "warning"), (50, "warning"), (51, "alarm")])
def test_frames_with_a_class_are_limited_per_100_m(frames: int, state: str) -> None:
    grade = grade_coil(figures(defect_frames={"scratch": frames, "pits": 900}), rules(**SCRATCH))
    assert grade.state == state
    assert [(each.rule, each.label, each.value, each.limit, each.unit) for each in grade.exceeded] == (
        [] if state == "ok" else [("defects", "scratch", frames / 10, 5, "frames_per_100_m")]
    )


def test_only_inspected_strip_counts() -> None:
    counted = figures(uncovered_m=40, defect_frames={"scratch": 49})
    (exceeded,) = grade_coil(counted, rules(**SCRATCH)).exceeded
    assert (exceeded.state, exceeded.value) == ("alarm", round(4_900 / 960, 2))


def test_without_positions_the_limit_applies_per_100_frames_and_the_unit_says_so() -> None:
    counted = figures(inspected=200, length_m=None, defect_frames={"scratch": 11})
    grade = grade_coil(counted, rules(**SCRATCH))
    assert grade.by_frames
    (exceeded,) = grade.exceeded
    assert (exceeded.state, exceeded.value, exceeded.unit) == ("alarm", 5.5, "percent_of_frames")


@pytest.mark.parametrize(
    ("changes", "rule", "value"),
    [
        ({"inspected": 940, "rejected": 60}, "rejected", 6.0),
        ({"uncovered_m": 60}, "uncovered", 6.0),
        ({"unsure": 210}, "unsure", 21.0),
    ],
)
def test_percentages_of_the_coil_are_limited_by_default(changes: dict[str, int], rule: str, value: float) -> None:
    (exceeded,) = grade_coil(figures(**changes), rules()).exceeded
    assert (exceeded.rule, exceeded.state, exceeded.value) == (rule, "alarm", value)
    off = rules(rejected_percent=100, uncovered_percent=100, unsure_percent=100)
    assert grade_coil(figures(**changes), off).state == "ok"


def test_a_limit_of_zero_allows_nothing() -> None:
    assert grade_coil(figures(rejected=1), rules(rejected_percent=0)).state == "alarm"
    assert grade_coil(figures(), rules(rejected_percent=0)).state == "ok"


def test_the_head_of_a_coil_counts_as_a_minimum_length() -> None:
    at_the_head = figures(inspected=2, length_m=1, defect_frames={"scratch": 1}, rejected=2, unsure=1)
    assert grade_coil(at_the_head, rules(**SCRATCH)).state == "warning"  # 1 frame in 20 m: 5 per 100 m, the limit
    assert grade_coil(replace(at_the_head, defect_frames={"scratch": 2}), rules(**SCRATCH)).state == "alarm"


def test_the_first_frame_with_a_critical_class_is_an_alarm() -> None:
    counted = figures(inspected=1, length_m=1, defect_frames={"crack": 1})
    grade = grade_coil(counted, rules({"crack": "critical"}))
    assert grade.state == "alarm"
    assert [(each.rule, each.label, each.value) for each in grade.exceeded] == [("critical", "crack", 1)]
    assert grade_coil(counted, rules({"crack": "critical"}, critical_alarm=False)).state == "ok"
    assert grade_coil(counted, rules(unlisted_severity="critical")).state == "alarm"


def test_a_minor_class_is_never_more_than_a_warning() -> None:
    assert (
        grade_coil(figures(defect_frames={"scratch": 900}), rules({"scratch": "minor"}, **SCRATCH)).state == "warning"
    )


def test_reasons_are_ordered_by_importance() -> None:
    counted = figures(defect_frames={"scratch": 60, "pits": 900, "crack": 1}, unsure=170)
    limits = {"scratch": 5, "pits": 5}
    exceeded = grade_coil(counted, rules({"crack": "critical"}, defect_frames_per_100_m=limits)).exceeded
    assert [each.label or each.rule for each in exceeded] == ["crack", "pits", "scratch", "unsure"]


def test_the_most_serious_defect_is_not_the_most_certain_one() -> None:
    scratch, crack = defect(0, 10, score=0.99, label="scratch"), defect(50, 60, score=0.6, label="crack")
    graded = rules({"crack": "critical", "scratch": "minor"})
    assert graded.most_serious([scratch, crack]) == crack
    assert rules().most_serious([scratch, crack]) == scratch
    assert rules().most_serious([]) is None


def test_a_summary_states_its_grade() -> None:
    crack, scratch = defect(100, 300, score=0.6, label="crack"), defect(500, 700, score=0.99, label="scratch")
    both = observation(0, 0, 800, verdict="defect", defects=(crack, scratch))
    log = CoilAggregate(both, grading=rules({"crack": "critical"}))
    log.add(observation(1, 800, 1600, verdict="defect", defects=(defect(900, 950, label="scratch"),)))
    summary = log.summary()
    assert summary.worst == crack
    assert summary.defect_frames == {"crack": 1, "scratch": 2}
    assert summary.severities == {"crack": "critical", "scratch": "major"}
    assert summary.state == "alarm"
    assert [(each.rule, each.label) for each in summary.exceeded] == [("critical", "crack")]
    assert figures_of(summary).inspected_mm == 1600


FIGURES = st.builds(
    CoilFigures,
    frames=st.builds(FrameCounts, *[st.integers(0, 2_000)] * 3),
    unsure=st.integers(0, 2_000),
    defect_frames=st.dictionaries(st.sampled_from(LABELS), st.integers(0, 500)),
    length_mm=st.none() | st.integers(1, 3_000_000),
    uncovered_mm=st.none(),
) | st.builds(
    lambda length_mm, uncovered: CoilFigures(
        FrameCounts(100, 0, 0), 0, {"crack": 9}, length_mm, uncovered * length_mm // 100
    ),
    st.integers(100, 3_000_000),
    st.integers(0, 100),
)
RULES = st.builds(
    lambda severities, per_100_m, percent, warning_at: GradingRules(
        severities,
        LimitsSettings(
            defect_frames_per_100_m=per_100_m,
            rejected_percent=percent,
            unsure_percent=percent,
            uncovered_percent=percent,
            warning_at=warning_at,
        ),
    ),
    st.dictionaries(st.sampled_from(LABELS), SEVERITY),
    st.dictionaries(st.sampled_from(LABELS), st.floats(0, 100)),
    st.floats(0, 100),
    st.floats(0.1, 1),
)


@given(FIGURES, RULES, st.sampled_from(LABELS), st.integers(0, 300))
def test_more_defective_frames_never_improve_the_state(
    counted: CoilFigures, limits: GradingRules, label: str, more: int
) -> None:
    worse = replace(counted, defect_frames={**counted.defect_frames, label: counted.defect_frames.get(label, 0) + more})
    assert rank(worse, limits) >= rank(counted, limits)


@given(FIGURES, RULES, st.integers(0, 300), st.integers(0, 300))
def test_more_rejected_or_unsure_frames_never_improve_the_state(
    counted: CoilFigures, limits: GradingRules, rejected: int, unsure: int
) -> None:
    frames = replace_rejected(counted.frames, counted.frames.rejected + rejected)
    worse = replace(counted, frames=frames, unsure=counted.unsure + unsure)
    assert rank(worse, limits) >= rank(counted, limits)


@given(FIGURES, RULES, st.floats(0, 1))
def test_less_covered_strip_never_improves_the_state(counted: CoilFigures, limits: GradingRules, share: float) -> None:
    length_mm, uncovered_mm = counted.length_mm or 0, counted.uncovered_mm or 0
    if length_mm == 0:
        return
    worse = replace(counted, uncovered_mm=uncovered_mm + int(share * (length_mm - uncovered_mm)))
    assert rank(worse, limits) >= rank(counted, limits)


@given(FIGURES, RULES)
def test_the_state_does_not_depend_on_the_order_of_classes(counted: CoilFigures, limits: GradingRules) -> None:
    turned = replace(counted, defect_frames=dict(reversed(list(counted.defect_frames.items()))))
    per_100_m = dict(reversed(list(limits.limits.defect_frames_per_100_m.items())))
    turned_limits = limits.limits.model_copy(update={"defect_frames_per_100_m": per_100_m})
    assert grade_coil(turned, replace(limits, limits=turned_limits)) == grade_coil(counted, limits)


@given(FIGURES, RULES)
def test_the_state_is_that_of_the_most_serious_reason(counted: CoilFigures, limits: GradingRules) -> None:
    grade = grade_coil(counted, limits)
    assert grade.state == max((each.state for each in grade.exceeded), key=STATES.index, default="ok")
    assert all(each.value > limits.limits.warning_at * each.limit - 0.01 for each in grade.exceeded)


def test_the_rate_never_divides_by_nothing() -> None:
    nothing = CoilFigures(FrameCounts(0, 0, 0), 0, {})
    assert defect_rate(nothing, LimitsSettings(), 0) == (0, "percent_of_frames")
    assert grade_coil(nothing, rules(**SCRATCH)).state == "ok"


def rank(counted: CoilFigures, limits: GradingRules) -> int:
    return STATES.index(grade_coil(counted, limits).state)


def replace_rejected(frames: FrameCounts, rejected: int) -> FrameCounts:
    return FrameCounts(frames.inspected, frames.skipped, rejected)


def test_reasons_are_sentences_for_people() -> None:
    counted = figures(defect_frames={"crack": 1, "scratch": 60}, uncovered_m=100)
    exceeded = grade_coil(counted, rules({"crack": "critical"}, **SCRATCH)).exceeded
    assert sorted(map(reason_text, exceeded)) == [
        "crack 1 frame (critical class)",
        "not covered 10 % of strip (limit 5)",
        "scratch 6.67 frames per 100 m (limit 5)",
    ]


def test_a_class_with_defects_and_no_limit_is_named() -> None:
    counted = figures(defect_frames={"crack": 1, "pits": 3, "patch": 0, "scratch": 1})
    limits = rules({"crack": "critical"}, **SCRATCH)
    assert grade_coil(counted, limits).without_limit == ("pits",)
    silent = rules({"crack": "critical"}, **SCRATCH, critical_alarm=False)
    assert grade_coil(counted, silent).without_limit == ("crack", "pits")


@pytest.mark.parametrize(("novel", "state"), [(0, "ok"), (50, "ok"), (51, "warning"), (1_000, "warning")])
def test_many_novel_frames_are_a_warning_and_never_an_alarm(novel: int, state: str) -> None:
    counted = replace(figures(), novel=novel)
    grade = grade_coil(counted, rules())
    assert grade.state == state
    assert [(each.rule, each.value, each.limit) for each in grade.exceeded] == (
        [] if state == "ok" else [("novel", novel / 10, 5)]
    )
    assert grade_coil(counted, rules(novel_percent=100)).state == "ok"


def test_a_short_coil_with_one_novel_frame_is_ok() -> None:
    assert grade_coil(replace(figures(inspected=1), novel=1), rules()).state == "ok"
