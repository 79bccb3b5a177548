from pathlib import Path

import pytest

from tests.training.labeling.exports import collected


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Four frames: two predicted as pits, two as clean."""
    return collected(tmp_path / "review")
