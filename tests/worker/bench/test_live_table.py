"""The status line of the demo counts flagged and novel frames, and does not mention them if there are none."""

import io
from datetime import UTC, datetime
from types import SimpleNamespace

from msgspec.structs import replace
from rich.console import Console

from stripwatch.worker.bench.live_table import Snapshot, draw_table, status_line
from stripwatch.worker.bench.results_tally import ResultsTally
from stripwatch.worker.contracts.events import FrameFlag, UnsureReason
from tests.worker.dashboard.events import Shown, event

MOMENT = Snapshot(10.0, 0.0, 1)


def test_counts_flagged_frames_by_flag() -> None:
    tally = ResultsTally()
    for number, flags in enumerate(((), (FrameFlag.SIZE,), (FrameFlag.SIZE, FrameFlag.SCALE))):
        place = SimpleNamespace(topic="frames", partition=0, offset=number)
        tally.add_result(replace(event(Shown(number), place, datetime.now(UTC)), flags=flags), 0.0)
        assert ("flagged" in status_line(tally, MOMENT)) is (number > 0)
    assert "rejects 0   flagged scale 1   flagged size 2   lag 0" in status_line(tally, MOMENT)


def test_counts_novel_frames() -> None:
    tally, now = ResultsTally(), datetime.now(UTC)
    shown = [event(Shown(at), SimpleNamespace(topic="frames", partition=0, offset=at), now) for at in range(2)]
    tally.add_result(replace(shown[0], verdict="unsure", reason=UnsureReason.SCORE), 0.0)
    assert "novel" not in status_line(tally, MOMENT)
    tally.add_result(replace(shown[1], verdict="unsure", reason=UnsureReason.NOVEL), 0.0)
    assert "rejects 0   novel 1   lag 0" in status_line(tally, MOMENT)


def test_names_with_brackets_are_not_interpreted_as_markup() -> None:
    tally = ResultsTally()
    shown = event(Shown(0), SimpleNamespace(topic="frames", partition=0, offset=0), datetime.now(UTC))
    tally.add_result(replace(shown, frame=replace(shown.frame, camera="[/top]")), 0.0)
    text = io.StringIO()
    Console(file=text, width=200).print(draw_table(tally, ["[/pit]", "[red]"], MOMENT))
    assert all(name in text.getvalue() for name in ("[/top]", "[/pit]", "[red]"))
