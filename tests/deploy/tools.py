"""Programs that are no Python packages: on a laptop a missing one skips its tests; with CI=true it fails them."""

import os
import shutil

import pytest


def require(name: str, package: str) -> str:
    """The full path of a program. package: the Debian package that has it."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"'{name}' is not there: apt install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"with CI=true it must be: {reason}", pytrace=False)
    pytest.skip(reason)
