"""Runs of GPU steps: resuming, time limits and failed steps."""

import json
import sys
from pathlib import Path

import pytest

from tests.gpu.measure import RESULTS, TABLE, Outcome, measure, read_records, run_command
from tests.gpu.plan import STEPS, Step
from tests.gpu.rows import measured

MACHINE = {"GPU": "none"}
STEPS_OF_TEN_S = [Step("speed", f"model-{number}", 10.0) for number in range(3)]


class Machine:
    """Runner whose steps take ten seconds on a fake clock and fail when the test wants it."""

    def __init__(self, failing: str = "") -> None:
        self.time_s = 0.0
        self.failing = failing
        self.ran: list[tuple[str, float]] = []

    def run(self, step: Step, seconds: float) -> Outcome:
        self.ran.append((step.model, seconds))
        self.time_s += min(10.0, seconds)
        row = measured("cuda", "images/s", {"batch 1": 100.0})
        return Outcome([row], "exit code 1: no" if step.model == self.failing else "")

    def measure(self, folder: Path, seconds: float) -> list[str]:
        measure(folder, STEPS_OF_TEN_S, seconds, self.run, MACHINE, lambda: self.time_s)
        return [record["step"] for record in read_records(folder / RESULTS)]


def test_all_steps_run_in_order_and_are_recorded(tmp_path: Path) -> None:
    assert Machine().measure(tmp_path, 100) == ["speed model-0", "speed model-1", "speed model-2"]


def test_recorded_steps_are_not_run_again(tmp_path: Path) -> None:
    Machine().measure(tmp_path, 12)
    again = Machine()
    assert again.measure(tmp_path, 100) == ["speed model-0", "speed model-1", "speed model-2"]
    assert [model for model, _ in again.ran] == ["model-1", "model-2"]


def test_a_failed_step_is_recorded_with_its_rows_and_the_next_one_runs(tmp_path: Path) -> None:
    Machine("model-1").measure(tmp_path, 100)
    records = read_records(tmp_path / RESULTS)
    assert [bool(record["error"]) for record in records] == [False, True, False]
    assert records[1]["rows"][0]["figures"] == {"batch 1": 100.0}
    assert "failed: exit code 1: no" in (tmp_path / TABLE).read_text()


def test_a_failed_step_is_run_again_by_the_next_run(tmp_path: Path) -> None:
    Machine("model-1").measure(tmp_path, 100)
    again = Machine()
    again.measure(tmp_path, 100)
    assert [model for model, _ in again.ran] == ["model-1"]
    assert not any(record["error"] for record in read_records(tmp_path / RESULTS))


def test_a_step_gets_no_more_than_the_remaining_time(tmp_path: Path) -> None:
    machine = Machine()
    machine.measure(tmp_path, 17)
    assert machine.ran == [("model-0", 10.0), ("model-1", 7.0)]
    assert machine.time_s <= 17


def test_steps_that_did_not_run_are_listed(tmp_path: Path) -> None:
    Machine().measure(tmp_path, 12)
    assert f"Not run: {STEPS[0].name}, " in (tmp_path / TABLE).read_text()


def test_the_table_is_written_before_the_first_step_ends(tmp_path: Path) -> None:
    def run(step: Step, seconds: float) -> Outcome:
        assert "GPU: none" in (tmp_path / TABLE).read_text()
        return Outcome([])

    measure(tmp_path, STEPS_OF_TEN_S[:1], 100, run, MACHINE)
    assert "no rows" in (tmp_path / TABLE).read_text()


ROW = json.dumps(measured("cuda", "images/s", {"batch 1": 1.0}))


@pytest.mark.parametrize(
    ("ending", "error"),
    [("", ""), ("sys.exit('no GPU')", "exit code 1: no GPU"), ("time.sleep(60)", "stopped after 3 s")],
)
def test_rows_of_a_process_that_dies_or_hangs_are_kept(ending: str, error: str) -> None:
    script = f"import sys, time; print({ROW!r}, flush=True); {ending}"
    outcome = run_command([sys.executable, "-c", script], 3)
    assert [row["what"] for row in outcome.rows] == ["cuda"]
    assert outcome.error == error


def test_step_names_are_unique_and_the_important_steps_fit_into_the_time_limit() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert sum(step.seconds for step in STEPS[:5]) < 8 * 60
