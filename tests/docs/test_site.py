"""The documentation builds without a warning, and the reference pages say what the code says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate.pages import PAGES, REFERENCE

DOCS = REFERENCE.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_matches_the_code(name: str) -> None:
    assert (REFERENCE / name).read_text() == PAGES[name](), "run: python -m docs.generate"


def test_the_site_builds_without_warnings_and_without_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('TensorFlow was imported')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    sphinx = [sys.executable, "-P", "-m", "sphinx", "--fail-on-warning", "--keep-going", "--builder", "html"]
    built = subprocess.run(
        [*sphinx, DOCS, tmp_path / "site"],
        cwd=DOCS.parent,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stderr
