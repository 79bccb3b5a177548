"""CPU time and memory of process trees whose processes start and end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from stripwatch.worker.common.process.usage import cpu_seconds, process_tree, resident_mb

SPUN_S = 0.5
# A parent and a child that has used CPU time. Each waits for a line on stdin.
PARENT = f"""
import subprocess, sys
spin = "import time\\nwhile time.process_time() < {SPUN_S}: pass\\nprint(1, flush=True)\\ninput()"
child = subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE)
input()
child.communicate(b"\\n")
print(2, flush=True)
input()
"""


@contextmanager
def parent() -> Iterator["subprocess.Popen[str]"]:
    """Start the parent and wait until its child has used CPU time."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        step(process)
        yield process
        process.communicate("\n")


def step(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    process.stdout.readline()


def test_counts_a_child_once_while_it_runs_and_after_it_has_ended() -> None:
    with parent() as process:
        assert process_tree(process.pid)[0].pid == process.pid
        assert len(process_tree(process.pid)) == 2
        running_s = cpu_seconds(process.pid)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        step(process)
        ended_s = cpu_seconds(process.pid)
        assert len(process_tree(process.pid)) == 1
    assert running_s is not None
    assert ended_s is not None
    assert SPUN_S <= running_s <= ended_s < running_s + SPUN_S


def test_sums_the_memory_of_the_tree() -> None:
    with parent() as process:
        each = [resident_mb(member.pid) for member in process_tree(process.pid)[1:]]
        whole = resident_mb(process.pid)
    assert whole is not None
    assert each[0] is not None
    assert whole > each[0] > 1


def test_counts_a_process_that_ends_during_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent is read before the child ends, and the child after, so the first sum lacks the child's time."""
    with parent() as process:
        before_s = cpu_seconds(process.pid)
        read = psutil.Process.cpu_times

        def end_the_child_first(self: psutil.Process) -> object:
            if self.pid != process.pid and process.stdin is not None and not process.stdin.closed:
                process.stdin.write("\n")
                process.stdin.flush()
                step(process)
            return read(self)

        monkeypatch.setattr(psutil.Process, "cpu_times", end_the_child_first)
        after_s = cpu_seconds(process.pid)
    assert before_s is not None
    assert after_s is not None
    assert after_s >= before_s


def test_returns_none_for_a_process_that_has_ended() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert cpu_seconds(done.pid) is resident_mb(done.pid) is None
    assert cpu_seconds(None) is None
    assert process_tree(done.pid) == []
    assert cpu_seconds(done.pid, os.getpid()) is not None
