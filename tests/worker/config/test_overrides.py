"""KEY=VALUE as people type it."""

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.overrides import parse_pairs


def test_pairs_are_toml_or_text() -> None:
    assert parse_pairs(["a=1", "b.c=x y", "b.d=true", 'e="q"', "f=C:\\x"]) == {
        "a": 1,
        "b": {"c": "x y", "d": True},
        "e": "q",
        "f": "C:\\x",
    }
    with pytest.raises(SettingsError, match="KEY=VALUE"):
        parse_pairs(["a b=1"])
