import subprocess
from pathlib import Path

import numpy as np
import pytest

from stripwatch.export.runs import provenance


def test_versions_include_python_stripwatch_and_the_given_modules() -> None:
    assert provenance.versions_of(np)["numpy"] == np.__version__
    assert {"python", "stripwatch"} <= set(provenance.versions_of())


def test_the_commit_is_that_of_the_checkout_and_marks_modified_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
        return subprocess.check_output(["git", "-C", str(tmp_path), *identity, *words], text=True).strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-qm", "first")
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.commit() == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two")
    assert provenance.commit() == git("rev-parse", "HEAD") + "-dirty"


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.commit() is None
