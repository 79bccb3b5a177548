import subprocess
import sys

import pytest

from stripwatch.export.runs.lazy_imports import require
from stripwatch.worker.common.errors import SettingsError


def test_a_library_that_is_not_installed_is_named_with_the_extra_that_has_it() -> None:
    with pytest.raises(SettingsError, match=r"needs no_such_library: install stripwatch\[train\]"):
        require("json", "no_such_library")


@pytest.mark.training
def test_tensorflow_loads_in_silence_and_stderr_is_open_afterwards() -> None:
    script = "import os; from stripwatch.export.runs.lazy_imports import load_tensorflow; load_tensorflow(); "
    check = "os.write(2, b'still there')"
    done = subprocess.run([sys.executable, "-c", script + check], capture_output=True, text=True, check=True)
    assert done.stderr == "still there"
