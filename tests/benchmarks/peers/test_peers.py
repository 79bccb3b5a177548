"""A short benchmark on the embedded broker: checks the counts, not the speed."""

from pathlib import Path

import pytest
import typer

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.image_files import list_images
from tests.benchmarks.peers import __main__ as command
from tests.benchmarks.peers.contenders import ALL, FIRST, WORKER, Contender, Program
from tests.benchmarks.peers.goals import Goal, over_others
from tests.benchmarks.peers.lap import Lap, LapError, middle_rate
from tests.benchmarks.peers.meet import Entry, Rounds, meet
from tests.benchmarks.peers.report import Report, describe, markdown, summary
from tests.benchmarks.peers.task import Setting
from tests.brokers.plugin import absence_is_a_skip
from tests.tiny import encode_frame, tiny_contract, write_bundle

SIZES = command.Sizes(1, 1, {command.PHOTOS: 256}, 0.5, 1.0, 0, 0.0)
DIES = Contender("dies", "ends at once", lambda _, task: [Program(("/bin/false",), task)])


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(encode_frame(number / 8, seed=number))
    return folder


@pytest.mark.long
def test_worker_and_first_loop_publish_one_event_per_frame(tmp_path: Path, frames: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny.onnx", tiny_contract(decode=DecodeSpec(16, 16)))
    assert len(list_images(frames).files) == 8
    names = [command.PHOTOS]
    with (
        absence_is_a_skip(SettingsError),
        command.open_tracks("embedded", "", SIZES, {command.PHOTOS: frames}, bundle, None, names) as tracks,
    ):
        entries = meet([WORKER, FIRST, DIES], tracks[command.PHOTOS], Rounds(1, 1, 128), {})
    worker, first, dies = entries
    for entry in (worker, first):  # a lap that ends has an event for every frame
        assert [lap.repeats for lap in entry.laps if lap] == [0], entry.reason
    assert dies.laps == [None]
    table = markdown(Report(describe("embedded", 1, SIZES.counts), {command.PHOTOS: entries}, []))
    assert_well_formed(table)
    assert "| worker |" in table
    assert "| first loop |" in table
    assert "| dies | did not run: exit code 1" in table


def entry(name: str, *rates: float, framework: bool = False) -> Entry:
    return Entry(name, "", framework, Setting(), laps=[Lap(rate, 0.001, None, 0) for rate in rates])


ENTRIES = [
    entry("worker", 100, 300, 200),
    entry("first loop", 50, 100, 100),
    entry("Bytewax", 100, 150, 100, framework=True),
    entry("Quix Streams", 1, 1, 1, framework=True),
]


def test_goals_use_ratios_within_a_round_and_the_best_framework() -> None:
    first, best, tuned = over_others("200x200", ENTRIES, 1.4)
    assert (first.values, first.median, first.met) == ([2, 3, 2], 2, True)
    assert best.figure == "worker / best framework (Bytewax), 200x200"
    assert (best.values, best.met) == ([1, 2, 2], True)
    assert (tuned.values, tuned.met) == ([], None)


def test_a_goal_may_be_a_maximum() -> None:
    assert Goal("p99", 3.0, [2, 3, 9], ceiling=True).met
    assert not Goal("p99", 3.0, [2, 4, 9], ceiling=True).met
    assert not Goal("rate", 0.9, [0.8]).met


def test_the_report_has_a_row_per_contender_and_goal() -> None:
    lost = Entry("Quix", "", True, reason="no | package\nhere")
    report = Report({"broker": "apache"}, {"200x200": [*ENTRIES, lost]}, over_others("200x200", ENTRIES, 1.4))
    table = markdown(report)
    assert_well_formed(table)
    assert "| Quix | did not run: no / package here |" in table
    assert "| first loop | 100 | 50 to 100 (3) | 1.00 | 2.00 | 2.00 to 3.00 (3) |" in table
    assert "at least 1.4 | 2.00 | 2.00 to 3.00 (3) | yes |" in table
    assert summary(report)["goals"][2]["met"] is None


def assert_well_formed(table: str) -> None:
    """Check that each row of a table has as many cells as its header."""
    for block in table.split("\n\n"):
        rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
        assert len(set(rows)) <= 1, block


def test_bursts_do_not_change_the_rate() -> None:
    steady = list(range(0, 10_000, 10))
    bursts = [1000 * (time_ms // 1000) for time_ms in steady]
    assert middle_rate(steady) == pytest.approx(100)
    assert middle_rate(bursts) == pytest.approx(100)
    with pytest.raises(LapError, match="too few"):
        middle_rate([5, 5, 5])


def test_predicts_a_longer_duration_for_more_contenders() -> None:
    one = command.predict_s([WORKER], [command.PHOTOS], SIZES, False, False)
    more = command.predict_s(ALL, [command.PHOTOS], SIZES, True, False)
    assert 0 < one < more


def test_frame_counts_are_whole_batches_per_camera() -> None:
    assert [command.whole(count) % command._GROUP_FRAMES for count in (1, 1000, 4001)] == [0, 0, 0]


def test_an_unknown_name_is_rejected_with_the_known_names() -> None:
    assert command.pick("", ["a", "b"], "--only") == ["a", "b"]
    assert command.pick("b, a", ["a", "b"], "--only") == ["b", "a"]
    with pytest.raises(typer.BadParameter, match="unknown name in --only: c; use a, b"):
        command.pick("a,c", ["a", "b"], "--only")
