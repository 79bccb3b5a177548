"""A child process that ends with its parent, even when that is killed."""

import sys
from collections.abc import Sequence

# The child asks Linux to end it when its parent dies (1 is PR_SET_PDEATHSIG, 15 SIGTERM), then becomes the command. A
# preexec_fn would do the same, but is unsafe beside threads.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""


def with_parent(command: Sequence[str]) -> list[str]:
    """The command, to be started from a thread that lives as long: Linux counts a thread's end as the parent's."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, *command]


def module_command(module: str) -> list[str]:
    """The start of a command that runs a module of this project, such as "worker".

    -P: a file of that name in the working directory is not it.
    """
    return [sys.executable, "-P", "-m", f"stripwatch.{module}"]
