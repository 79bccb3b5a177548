"""Alarms of coils, and their acknowledgements by several page servers."""

from typing import Any

import msgspec
import pytest

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.config.page_sections import LimitsSettings
from stripwatch.worker.contracts.coil_summary import CoilSummary, Ended
from stripwatch.worker.contracts.line.acknowledgement import Acknowledgement
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.dashboard.state.alarm_board import AlarmBoard, read_acknowledgement
from tests.worker.coils.samples import defect, observation

RULES = GradingRules({"crack": "critical"}, LimitsSettings(defect_frames_per_100_m={"scratch": 5}))


def coil(
    scratches: int = 0,
    cracks: int = 0,
    name: str | None = "C1",
    first_ms: int = 1_800_000_000_000,
    ended: Ended | None = None,
    line: str | None = "/p/line-1",
) -> CoilSummary:
    """Return a coil of 100 m with frames that show a scratch or a crack."""
    labels = ["scratch"] * scratches + ["crack"] * cracks
    frames = [
        observation(
            number,
            number * 500,
            number * 500 + 500,
            coil=name,
            line=line,
            captured_ms=first_ms + number,
            defects=(defect(number * 500, number * 500 + 9, label=labels[number]),) if number < len(labels) else (),
        )
        for number in range(200)
    ]
    log = CoilAggregate(frames[0], grading=RULES)
    for frame in frames[1:]:
        log.add(frame)
    return log.summary(ended)


def board(*coils: CoilSummary, can_acknowledge: bool = True, cut: bool = False) -> AlarmBoard:
    made = AlarmBoard()
    made.can_acknowledge = can_acknowledge
    made.see((each, cut) for each in coils)
    return made


def shown(made: AlarmBoard) -> list[tuple[str, Any, bool, bool]]:
    return [
        (row["label"], row["acknowledged"] and row["acknowledged"]["by"], row["active"], row["running"])
        for row in made.rows()
    ]


def acknowledge(made: AlarmBoard, by: str = "Ada", later_ms: int = 60_000) -> list[Acknowledgement]:
    """Acknowledge everything that the board shows, as a page server does, and return the records."""
    said = []
    for row in made.rows():
        found = made.acknowledgement(row["id"], by, parse_rfc3339(row["raised_at"]) + later_ms)
        assert found is not None
        made.add(found)
        said.append(found)
    return said


def test_an_alarm_states_the_limit_and_the_value() -> None:
    (row,) = board(coil(scratches=6)).rows()
    assert {key: row[key] for key in ("rule", "label", "value", "limit", "unit", "coil", "line")} == {
        "rule": "defects",
        "label": "scratch",
        "value": 6,
        "limit": 5,
        "unit": "frames_per_100_m",
        "coil": "C1",
        "line": "/p/line-1",
    }
    assert row["acknowledged"] is None
    assert row["raised_at"] == "2027-01-15T08:00:00.199Z"


def test_a_coil_within_its_limits_has_no_alarm() -> None:
    assert board(coil(scratches=5)).rows() == []


def test_an_alarm_stays_when_the_value_falls_until_somebody_acknowledges_it_and_the_coil_ends() -> None:
    made = board(coil(scratches=6))
    made.see([(coil(scratches=5), False)])
    assert shown(made) == [("scratch", None, False, True)]
    made.see([(coil(scratches=5, ended="next-coil"), False)])
    assert shown(made) == [("scratch", None, False, False)]
    acknowledge(made)
    assert made.rows() == []


def test_an_acknowledged_alarm_is_shown_while_the_coil_runs() -> None:
    made = board(coil(scratches=6))
    (said,) = acknowledge(made)
    assert shown(made) == [("scratch", "Ada", True, True)]
    assert (said.rule, said.label, said.step, said.value, said.limit, said.by) == ("defects", "scratch", 0, 6, 5, "Ada")


def test_without_anyone_to_acknowledge_only_present_alarms_of_running_coils_are_shown() -> None:
    made = board(coil(scratches=6), can_acknowledge=False)
    assert shown(made) == [("scratch", None, True, True)]
    made.see([(coil(scratches=5), False)])
    assert made.rows() == []
    assert board(coil(scratches=6, ended="silence"), can_acknowledge=False).rows() == []


def test_a_value_that_doubles_and_a_new_class_are_new_alarms() -> None:
    made = board(coil(scratches=6))
    acknowledge(made)
    made.see([(coil(scratches=9), False)])
    assert shown(made) == [("scratch", "Ada", True, True)]
    made.see([(coil(scratches=10, cracks=1), False)])
    assert sorted(shown(made)) == [("crack", None, True, True), ("scratch", None, True, True)]


def test_acknowledging_a_worse_alarm_covers_the_milder_ones() -> None:
    worse = board(coil(scratches=22))
    milder = board(coil(scratches=6))
    milder.add(*acknowledge(worse))
    assert shown(milder) == [("scratch", "Ada", True, True)]


def test_a_second_server_that_began_in_the_middle_of_the_coil_knows_the_acknowledgement() -> None:
    (said,) = acknowledge(board(coil(scratches=6)))
    later = coil(scratches=6, first_ms=1_800_000_000_000 + 600_000)
    second = board(later, cut=True)
    assert said.coil_id != later.id
    assert shown(second) == [("scratch", None, True, True)]
    second.add(said)
    assert shown(second) == [("scratch", "Ada", True, True)]


@pytest.mark.parametrize("order", ["before", "after"])
def test_an_acknowledgement_does_not_count_for_a_later_coil_of_the_same_name(order: str) -> None:
    (said,) = acknowledge(board(coil(scratches=6)))
    reused = coil(scratches=6, first_ms=1_800_000_000_000 + 3_600_000)
    made = board() if order == "before" else board(reused)
    made.add(said)
    made.see([(reused, False)])
    assert shown(made) == [("scratch", None, True, True)]


def test_the_later_coil_of_two_with_one_name_has_the_alarm() -> None:
    earlier = coil(scratches=6, ended="silence")
    later = coil(scratches=7, first_ms=1_800_000_000_000 + 3_600_000)
    made = board(earlier, later)
    for _ in range(3):
        made.see([(earlier, False), (later, False)])
    (row,) = made.rows()
    assert (row["coil_id"], row["value"], row["running"]) == (later.id, 7, True)


def test_a_late_page_clock_does_not_undo_an_acknowledgement() -> None:
    made = board(coil(scratches=6))
    acknowledge(made, later_ms=-3_600_000)
    assert shown(made) == [("scratch", "Ada", True, True)]


def test_alarms_of_coils_that_are_no_longer_kept_are_dropped() -> None:
    made = board(coil(scratches=6))
    made.see([])
    assert made.rows() == []


def test_counts_alarms_by_line() -> None:
    made = board(coil(scratches=6, cracks=1), coil(cracks=1, line=None, name="C2"))
    made.add(*acknowledge(board(coil(scratches=6))))
    assert made.counts() == ({"/p/line-1": 2, "": 1}, {"/p/line-1": 1, "": 1})
    made.can_acknowledge = False
    assert made.counts() == ({"/p/line-1": 2, "": 1}, {})


def test_shows_no_alarm_before_the_acknowledgements_are_known() -> None:
    made = board(coil(scratches=6))
    (said,) = acknowledge(board(coil(scratches=6)))
    made.is_ready = lambda: False
    assert (made.rows(), made.counts()) == ([], ({}, {}))
    made.add(said)
    made.is_ready = lambda: True
    assert shown(made) == [("scratch", "Ada", True, True)]


def test_unknown_alarms_cannot_be_acknowledged() -> None:
    assert board(coil(scratches=6)).acknowledgement("alarm-0", "Ada", 0) is None


def test_records_of_other_writers_are_ignored_or_shortened() -> None:
    (said,) = acknowledge(board(coil(scratches=6)))
    assert read_acknowledgement(msgspec.json.encode(said)) == said
    for value in (None, b"", b"{}", b"[1]", msgspec.json.encode(msgspec.structs.replace(said, at="yesterday"))):
        assert read_acknowledgement(value) is None
    long = read_acknowledgement(msgspec.json.encode(msgspec.structs.replace(said, by="x" * 10_000, step=10**9)))
    assert long is not None
    assert len(long.by) < 300
    made = board(coil(scratches=6))
    made.add(long)
    assert made.rows()[0]["acknowledged"]["by"] == long.by


def test_a_critical_class_comes_before_alarms_that_were_raised_earlier() -> None:
    made = board(coil(scratches=10))
    made.see([(coil(scratches=10, cracks=1), False)])
    assert [label for label, *_ in shown(made)] == ["crack", "scratch"]


def test_alarms_of_the_newest_coil_of_each_line_come_first_then_those_of_later_coils() -> None:
    coils = [
        coil(cracks=3, name=name, first_ms=1_800_000_000_000 + start_ms, line=line)
        for name, start_ms, line in [("A1", 0, "/p/a"), ("A2", 60_000, "/p/a"), ("B1", 30_000, "/p/b")]
    ]
    coils.append(coil(scratches=8, name="A3", first_ms=1_800_000_120_000, line="/p/a"))
    rows = [(row["coil"], row["followed"]) for row in board(*coils).rows()]
    assert rows == [("B1", False), ("A3", False), ("A2", True), ("A1", True)]


@pytest.mark.parametrize(("name", "by"), [("C1", "Ada"), (None, None)])
def test_an_acknowledgement_of_an_earlier_unnamed_coil_does_not_hide_a_coil_with_an_unread_beginning(
    name: str | None, by: str | None
) -> None:
    first_ms = 1_800_000_000_000
    earlier = board(coil(cracks=1, name=name, first_ms=first_ms))
    written = earlier.acknowledgement(earlier.rows()[0]["id"], "Ada", first_ms + 10_000)
    assert written is not None
    made = board(coil(cracks=1, name=name, first_ms=first_ms + 3_600_000), cut=True)
    made.add(written)
    assert [found for _, found, *_ in shown(made)] == [by]
