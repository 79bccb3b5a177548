"""Child processes that end with their parent, even if the parent is killed."""

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

# The launcher asks Linux to send SIGTERM (15) when the parent dies (1 is PR_SET_PDEATHSIG), then executes the command.
# A preexec_fn would do the same, but is not safe in a process with threads.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""

STOP_S_MAX = 40.0
_KILL_S_MAX = 5.0  # a process that waits for a failed drive ends later or never
_OUTPUT_CHARACTERS_MAX = 2_000


def module_command(module: str) -> list[str]:
    """Return the start of a command that runs a module of this project, such as "worker".

    -P prevents Python from importing a file of that name in the working directory.
    """
    return [sys.executable, "-P", "-m", f"stripwatch.{module}"]


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """Running or ended child process."""

    name: str
    process: subprocess.Popen[bytes]
    _output: IO[Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code, or None if the process is still running after `timeout_s`."""
        try:
            return self.process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def output_text(self) -> str:
        """Return the end of its output as the end of a sentence. Requires an output file opened for reading text."""
        assert self._output is not None
        self._output.seek(0)
        text = " ".join(self._output.read().split())[-_OUTPUT_CHARACTERS_MAX:]
        return f"; its output: {text}" if text else ""

    def stop(self, stop_s_max: float = STOP_S_MAX) -> int:
        """Stop the process as `stop_all` does, and return its exit code."""
        return stop_all([self], stop_s_max)[0]


def start_process(name: str, command: Sequence[str], output: IO[Any] | None = None, **options: Any) -> ChildProcess:
    """Start a child process. The caller must stop it.

    The child gets a separate process group, so Ctrl-C in a terminal reaches only the caller, which can then stop it in
    order. Call from a thread that lives as long as the child: for Linux, the parent of a child is the thread.

    Args:
        name: Name for messages.
        command: Command line, whose first word is an absolute path.
        output: File for stdout and stderr; None to share those of this process.
        options: Arguments of `subprocess.Popen`.
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
    """Start a child process as `start_process` does, capture its output, and stop it when the block ends.

    Args:
        name: Name for messages.
        command: Command line, whose first word is an absolute path.
        environment: Environment variables; None for those of this process.
        folder: Working directory; None for that of this process.
        stop_s_max: Time in seconds that the process may take to stop before it is killed.
        options: Arguments of `subprocess.Popen`.
    """
    with tempfile.TemporaryFile("w+") as output:
        child = start_process(name, command, output, env=environment, cwd=folder, **options)
        try:
            yield child
        finally:
            child.stop(stop_s_max)
            for pipe in filter(None, (child.process.stdin, child.process.stdout)):
                with suppress(OSError):  # it ended before it had read its input
                    pipe.close()


def stop_all(children: Sequence[ChildProcess], stop_s_max: float) -> list[int]:
    """Stop several processes at the same time and return their exit codes.

    Sends SIGTERM to all, and after `stop_s_max` seconds SIGKILL to those that are left and to all their descendants. A
    process that the kernel does not end even then has the exit code of the kill, and its `ended` is False.
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
