import re
from pathlib import Path

import msgspec
import pytest

from stripwatch.training.fitting.checkpoint import FitIdentity, begin
from stripwatch.worker.common.errors import InputError
from tests.trained import tiny_configuration

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("data_sha256", "data (images or labels have changed, or the split)"),
        ("weights_sha256", "weights (the file has changed)"),
        ("marks_sha256", "boxes (the annotations have changed)"),
    ],
)
def test_says_what_has_changed_since_a_fit_was_started(tmp_path: Path, field: str, what: str) -> None:
    before = FitIdentity(tiny_configuration(), "1", "2", "3")
    begin(tmp_path, before)
    begin(tmp_path, before)
    with pytest.raises(InputError, match=re.escape(f"was started with other values of {what}; use the same")):
        begin(tmp_path, msgspec.structs.replace(before, **{field: "9"}))
