"""Threads that report their failure, and forced exit of processes that hang."""

import subprocess
import sys
import threading
from typing import Never

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.process.threads import OwnedThread, ShutdownLimit, stacks

# A thread that cannot be ended, like one in a native call, after the main thread has finished.
HANGS = """
import threading
from stripwatch.worker.common.errors import HangError
from stripwatch.worker.common.process.threads import ShutdownLimit, end_by_force
threading.Thread(target=threading.Event().wait, name="hung").start()
"""


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", HANGS + program], capture_output=True, text=True, timeout=60)


def fail(error: BaseException) -> Never:
    raise error


@pytest.mark.parametrize(
    ("error", "events"), [(RuntimeError("ours"), ["thread failed"]), (BrokerUnavailableError("away"), [])]
)
def test_reports_a_thread_that_fails_to_its_owner(error: BaseException, events: list[str]) -> None:
    died: list[BaseException] = []
    with capture_logs() as logs:
        thread = OwnedThread(lambda: fail(error), "t", died.append)
        thread.start()
        thread.join()
    assert died == [error]
    assert [log["event"] for log in logs] == events
    assert all(log["exc_info"] for log in logs)


def test_does_not_report_a_thread_that_returns() -> None:
    died: list[BaseException] = []
    thread = OwnedThread(lambda: None, "t", died.append)
    thread.start()
    thread.join()
    assert died == []


def test_ends_the_process_and_logs_its_threads_if_shutdown_times_out() -> None:
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
    assert any("test_threads.py" in line for line in entry["threads"]["MainThread"])


def test_does_nothing_if_shutdown_is_in_time() -> None:
    codes: list[int] = []
    limit = ShutdownLimit(codes.append)
    limit.start(3600, lambda: 7)
    limit.cancel()
    assert codes == []


def test_ends_a_process_whose_interpreter_waits_for_a_thread() -> None:
    done = run("ShutdownLimit().start(0.2, lambda: 11)")
    assert done.returncode == 11
    assert "hung" in done.stdout + done.stderr


def test_ends_a_hanging_process_by_force_with_an_error_message() -> None:
    done = run("end_by_force(HangError('a model still runs', 4))")
    assert done.returncode == 4
    assert "error: a model still runs" in done.stderr


def test_returns_the_stack_of_each_thread() -> None:
    assert stacks()["MainThread"][-1].endswith("stacks")
