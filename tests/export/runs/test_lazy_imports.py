import subprocess
import sys

import pytest

from stripwatch.export.runs.lazy_imports import require
from stripwatch.worker.common.errors import SettingsError


def test_an_error_has_the_command_that_installs_all_missing_libraries() -> None:
    with pytest.raises(SettingsError, match=r"import missing_one, missing_two .* pip install missing_one missing_two$"):
        require("json", "missing_one", "missing_two")


@pytest.mark.training
def test_tensorflow_loads_silently_and_stderr_works_afterwards() -> None:
    script = "import os; from stripwatch.export.runs.lazy_imports import load_tensorflow; load_tensorflow(); "
    check = "os.write(2, b'still there')"
    done = subprocess.run([sys.executable, "-c", script + check], capture_output=True, text=True, check=True)
    assert done.stderr == "still there"
