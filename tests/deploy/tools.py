"""External programs used by the tests. A missing program skips its tests, or fails them if CI=true."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def require(name: str, install: str) -> str:
    """Return the full path of a program in this environment or on the machine. install: command to install it."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return path or skip_or_fail(f"'{name}' is not there: {install}")


def skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"with CI=true it must be: {reason}", pytrace=False)
    pytest.skip(reason)
