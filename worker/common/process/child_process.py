"""A child process that ends with its parent, even when that is killed."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# The child asks Linux to end it when its parent dies (1 is PR_SET_PDEATHSIG, 15 SIGTERM), then becomes the command. A
# preexec_fn would do the same, but is unsafe beside threads.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""


STOP_S_MAX = 40.0
_OUTPUT_CHARACTERS_MAX = 2_000


def die_with_parent(command: Sequence[str]) -> list[str]:
    """The command, to be started from a thread that lives as long: Linux counts a thread's end as the parent's."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, *command]


def module_command(module: str) -> list[str]:
    """The start of a command that runs a module of this project, such as "worker".

    -P: a file of that name in the working directory is not it.
    """
    return [sys.executable, "-P", "-m", f"stripwatch.{module}"]


@dataclass(frozen=True, slots=True)
class ChildProcess:
    name: str
    process: subprocess.Popen[bytes]
    _output: IO[str]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, or None if it still runs after timeout_s."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def output_text(self) -> str:
        """The end of what it printed, as the rest of a sentence."""
        self._output.seek(0)
        text = " ".join(self._output.read().split())[-_OUTPUT_CHARACTERS_MAX:]
        return f"; it said: {text}" if text else ""

    def stop(self, stop_s_max: float = STOP_S_MAX) -> int:
        """Ask it to end, and after a while end it. Its exit code."""
        if not self.ended:
            self.process.terminate()
        code = self.wait(stop_s_max)
        if code is None:
            self.process.kill()
            code = self.process.wait()
        return code


@contextmanager
def running_process(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stop_s_max: float = STOP_S_MAX,
) -> Iterator[ChildProcess]:
    """Run `command` (its first word is a full path) until the block ends. environment None: that of this process.

    Its own process group, so that Ctrl-C in a terminal reaches the caller alone, who may then stop in order. Enter the
    block from a thread that lives as long as the block: Linux counts a thread's end as the parent's.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            die_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            process_group=0,
        )
        child = ChildProcess(name, process, output)
        try:
            yield child
        finally:
            child.stop(stop_s_max)
