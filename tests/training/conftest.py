import sys
from pathlib import Path

import pytest

from stripwatch.training.cli import main
from tests.trained import fitted_run, random_weights, textures

__all__ = ["fitted_run", "random_weights", "textures"]


def run_cli(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["stripwatch train", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root
