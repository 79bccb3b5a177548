"""Child processes end with their parent, and stopping them leaves no descendants."""

import os
import signal
import subprocess
import sys
import tempfile

import psutil
import pytest

from stripwatch.worker.common.process.child_process import running_process, start_process, stop_all

AWAIT_S_MAX = 60.0
# Prints its own pid and that of a child, then waits. "deaf": both ignore SIGTERM.
FAMILY = """
import os, signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["/bin/sleep", "600"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
OWNER = f"""
import subprocess, sys
from stripwatch.worker.common.process.child_process import start_process
child = start_process("a child", [sys.executable, "-c", {FAMILY!r}], stdout=subprocess.PIPE)
print(child.process.stdout.readline().decode(), end="", flush=True)
child.process.wait()
"""


def family(*words: str) -> list[str]:
    return [sys.executable, "-c", FAMILY, *words]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, below = map(int, owner.stdout.readline().split())
        child = psutil.Process(pid)
        owner.kill()
        child.wait(AWAIT_S_MAX)
    psutil.Process(below).kill()  # a grandchild does not end with the parent


@pytest.mark.parametrize("words", [(), ("deaf",)])
def test_stop_also_ends_the_descendants(words: tuple[str, ...]) -> None:
    child = start_process("a child", family(*words), stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    with child.process.stdout:
        pids = [int(pid) for pid in child.process.stdout.readline().split()]
        started = [psutil.Process(pid) for pid in pids]
        assert pids[0] == child.process.pid
        code = child.stop(0.2 if words else AWAIT_S_MAX)
    assert code == (-signal.SIGKILL if words else -signal.SIGTERM)
    assert child.ended
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in started)


def test_stops_all_at_the_same_time_and_returns_each_exit_code() -> None:
    ends = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({})); print(1, flush=True)"
    commands = [[sys.executable, "-c", ends.format(code) + "; time.sleep(600)"] for code in (0, 7)]
    children = [start_process("a child", command, stdout=subprocess.PIPE) for command in commands]
    for child in children:
        assert child.process.stdout is not None
        with child.process.stdout:
            child.process.stdout.readline()
    assert stop_all(children, AWAIT_S_MAX) == [0, 7]
    assert stop_all(children, AWAIT_S_MAX) == [0, 7]  # a second call has no effect


def test_captures_the_output_and_closes_the_pipes() -> None:
    command = [sys.executable, "-c", "import sys; print(input(), file=sys.stderr); print('out')"]
    with running_process("a child", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.process.stdin is not None
        assert child.process.stdout is not None
        child.process.stdin.write(b"a line\n")
        child.process.stdin.flush()
        assert child.process.stdout.readline() == b"out\n"
        assert child.wait(AWAIT_S_MAX) == 0
        assert child.output_text() == "; its output: a line"
    assert child.process.stdin.closed
    assert child.process.stdout.closed


def test_a_child_has_a_separate_process_group() -> None:
    """Ctrl-C in a terminal then reaches only the parent."""
    with tempfile.TemporaryFile("w+") as output:
        child = start_process("a child", [sys.executable, "-c", "import os; print(os.getpgid(0))"], output)
        assert child.wait(AWAIT_S_MAX) == 0
        assert child.output_text() == f"; its output: {child.process.pid}"
    assert child.process.pid != os.getpgid(0)
