"""A child process that ends with its parent, even when that is killed: started, waited for, and stopped in time."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from stripwatch.worker.common.process.usage import process_tree

# The child asks Linux to end it when its parent dies (1 is PR_SET_PDEATHSIG, 15 SIGTERM), then becomes the command. A
# preexec_fn would do the same, but is unsafe beside threads.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""

STOP_S_MAX = 40.0
_KILL_S_MAX = 5.0  # a process that waits for a dead drive ends later, or never
_OUTPUT_CHARACTERS_MAX = 2_000


def module_command(module: str) -> list[str]:
    """The start of a command that runs a module of this project, such as "worker".

    -P: a file of that name in the working directory is not it.
    """
    return [sys.executable, "-P", "-m", f"stripwatch.{module}"]


@dataclass(frozen=True, slots=True)
class ChildProcess:
    name: str
    process: subprocess.Popen[bytes]
    _output: IO[Any] | None = None

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, or None if it still runs after timeout_s."""
        try:
            return self.process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def output_text(self) -> str:
        """The end of what it printed, as the rest of a sentence. Its output must be a text file opened for reading."""
        assert self._output is not None
        self._output.seek(0)
        text = " ".join(self._output.read().split())[-_OUTPUT_CHARACTERS_MAX:]
        return f"; it said: {text}" if text else ""

    def stop(self, stop_s_max: float = STOP_S_MAX) -> int:
        """As `stop_all`. Its exit code."""
        return stop_all([self], stop_s_max)[0]


def start_process(name: str, command: Sequence[str], output: IO[Any] | None = None, **options: Any) -> ChildProcess:
    """Start `command`, of which the first word is a full path; who calls this stops it.

    In a process group of its own: Ctrl-C in a terminal reaches the caller alone, who may then stop in order. Call from
    a thread that lives as long as the child: Linux counts the end of a thread as that of the parent.
    output: takes stdout and stderr; without it they are those of this process. options: of Popen.
    """
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, *command]
    options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "process_group": 0} | options
    process: Any = subprocess.Popen(launch, **options)  # noqa: S603 - the command is ours
    return ChildProcess(name, process, output)


@contextmanager
def running_process(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stop_s_max: float = STOP_S_MAX,
    **options: Any,
) -> Iterator[ChildProcess]:
    """Run `command` as `start_process` does until the block ends, and keep what it prints.

    environment None: that of this process.
    """
    with tempfile.TemporaryFile("w+") as output:
        child = start_process(name, command, output, env=environment, cwd=folder, **options)
        try:
            yield child
        finally:
            child.stop(stop_s_max)
            for pipe in filter(None, (child.process.stdin, child.process.stdout)):
                with suppress(OSError):  # what was sent to it and it has not read
                    pipe.close()


def stop_all(children: Sequence[ChildProcess], stop_s_max: float) -> list[int]:
    """Ask all to end at once. After stop_s_max kill what is left of them and of what they started. The exit codes.

    A child that the kernel does not let go has the code of its kill; `ended` then says False.
    """
    pids = [child.process.pid for child in children if not child.ended]
    below = [process for process in process_tree(*pids) if process.pid not in pids]
    for child in children:
        child.process.terminate()
    deadline_s = time.monotonic() + stop_s_max
    for child in children:
        if child.wait(deadline_s - time.monotonic()) is None:
            child.process.kill()
    for process in below:
        with suppress(psutil.Error):
            process.kill()
    deadline_s = time.monotonic() + _KILL_S_MAX
    codes = [child.wait(deadline_s - time.monotonic()) for child in children]
    psutil.wait_procs(below, max(0.0, deadline_s - time.monotonic()))
    return [-signal.SIGKILL if code is None else code for code in codes]
