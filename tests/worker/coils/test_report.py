"""The report over past results, without Kafka (see test_summarizer.py for tests with Kafka)."""

import csv
import io
import tracemalloc
from dataclasses import replace

import msgspec
import pytest

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.report import CoilCollector, as_csv, as_table, reasons
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from tests.printed import as_printed
from tests.worker.coils.samples import EPOCH_S, frame, logged, observation

DAY_S = 86_400


def test_name_reused_the_next_day_is_another_coil() -> None:
    collector = CoilCollector(CoilRules())
    for day, place in ((0, 0), (DAY_S, 50_000)):
        for second in range(200):
            one = frame(day + second, bad=second == 3, place=place + second)
            collector.add(one, day + second)
    monday, tuesday = collector.finish()
    for coil in (monday, tuesday):
        assert (coil.coil, coil.length_mm, coil.frames.inspected) == ("C1", 20_000, 200)
    assert (monday.ended, tuesday.ended) == ("silence", None)
    assert monday.id != tuesday.id


def test_late_frames_are_included_in_the_row_of_their_coil() -> None:
    collector = CoilCollector(CoilRules())
    for second in [*range(20), *range(30, 250)]:
        collector.add(frame(second, coil="C1" if second < 40 else "C2"), second)
    for second in range(20, 30):
        collector.add(frame(second, bad=True, recorded_s=250), 250)
    c1, c2 = collector.finish()
    assert (c1.coil, c1.frames.inspected, c1.uncovered_mm, c1.revision) == ("C1", 40, 0, 2)
    assert (c1.strip_defects_total, c2.coil, c2.frames.inspected) == (10, "C2", 210)


@pytest.mark.long
def test_memory_depends_only_on_coils_that_can_still_change() -> None:
    """The sample has 400 coils of 100 frames."""
    collector = CoilCollector(CoilRules(settle_s=10, silence_s=20, correctable_s=100))
    plain = observation(0, 0, 100)
    tracemalloc.start()
    try:
        for number in range(40_000):
            at_ms = 1000 * (EPOCH_S + number)
            one = replace(plain, id=f"f{number}", coil=f"C{number // 100}", captured_ms=at_ms, recorded_ms=at_ms)
            collector.add(one, number)
        kept = sum(part.log.frames for part in collector._tracker)
        assert kept <= 400
        assert tracemalloc.get_traced_memory()[0] / 40_000 < 80, "most of it are 400 summaries"
    finally:
        tracemalloc.stop()
    assert len(collector.finish()) == 400


def test_the_report_states_why_a_coil_is_in_alarm() -> None:
    collector = CoilCollector(CoilRules(grading=GradingRules({"scratches": "critical"})))
    for second in range(100):
        collector.add(frame(second, bad=second == 3, coil="C1"), second)
    coils = collector.finish()
    assert reasons(coils) == ["C1: alarm: scratches 1 frame (critical class)"]
    (row,) = csv.DictReader(io.StringIO(as_csv(coils)))
    assert (row["state"], row["worst_defect"], row["worst_severity"]) == ("alarm", "scratches", "critical")
    assert row["reasons"] == "scratches 1 frame (critical class)"


def test_the_table_is_readable_in_80_columns() -> None:
    """A mill has a dozen classes, and coil names of its own."""
    summary = logged([observation(number, start=number * 1000, end=number * 1000 + 900) for number in range(3)])
    defects = {f"class_{number}": 1000 * number for number in range(12)}
    coils = [msgspec.structs.replace(summary, coil=name, defects=defects) for name in ("C1", "C-" + "7" * 60)]
    text = as_printed(as_table(coils))
    assert max(map(len, text.splitlines())) <= 80
    words = text.split()
    assert all(word in words for word in ("11000", "class_11", "covered", "C1"))
    assert not any(len(word) == 1 and word.isalpha() for word in words)
