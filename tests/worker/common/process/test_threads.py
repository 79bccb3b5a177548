"""Threads that somebody owns, and processes that end."""

import subprocess
import sys
import threading
from typing import Never

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.process.threads import OwnedThread, ShutdownLimit, stacks

# A thread that no interpreter can end, as one in a native call; the main thread has ended its work.
HANGS = """
import threading
from stripwatch.worker.common.errors import HangError
from stripwatch.worker.common.process.threads import ShutdownLimit, end_by_force
threading.Thread(target=threading.Event().wait, name="hung").start()
"""


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", HANGS + program], capture_output=True, text=True, timeout=60)


def die(error: BaseException) -> Never:
    raise error


@pytest.mark.parametrize(
    ("error", "events"), [(RuntimeError("ours"), ["a thread died"]), (BrokerUnavailableError("away"), [])]
)
def test_the_owner_hears_of_a_thread_that_dies(error: BaseException, events: list[str]) -> None:
    died: list[BaseException] = []
    with capture_logs() as logs:
        thread = OwnedThread(lambda: die(error), "t", died.append)
        thread.start()
        thread.join()
    assert died == [error]
    assert [log["event"] for log in logs] == events
    assert all(log["exc_info"] for log in logs)


def test_a_thread_that_ends_by_itself_is_no_death() -> None:
    died: list[BaseException] = []
    thread = OwnedThread(lambda: None, "t", died.append)
    thread.start()
    thread.join()
    assert died == []


def test_a_stop_that_takes_too_long_ends_the_process_and_shows_its_threads() -> None:
    ended, codes = threading.Event(), list[int]()

    def exit_process(code: int) -> None:
        codes.append(code)
        ended.set()

    limit = ShutdownLimit(exit_process)
    with capture_logs() as logs:
        limit.start(0.01, lambda: 7)
        assert ended.wait(60)
        limit.cancel()
    assert codes == [7]
    (entry,) = logs
    assert any("test_threads.py" in place for place in entry["threads"]["MainThread"])


def test_a_stop_in_time_is_not_disturbed() -> None:
    codes: list[int] = []
    limit = ShutdownLimit(codes.append)
    limit.start(3600, lambda: 7)
    limit.cancel()
    assert codes == []


def test_a_process_ends_at_its_limit_though_the_interpreter_waits_for_a_thread() -> None:
    done = run("ShutdownLimit().start(0.2, lambda: 11)")
    assert done.returncode == 11
    assert "hung" in done.stdout + done.stderr


def test_a_process_that_hangs_ends_by_force_with_its_sentence() -> None:
    done = run("end_by_force(HangError('a model still runs', 4))")
    assert done.returncode == 4
    assert "error: a model still runs" in done.stderr


def test_a_stack_names_the_place_of_each_thread() -> None:
    assert stacks()["MainThread"][-1].endswith("stacks")
