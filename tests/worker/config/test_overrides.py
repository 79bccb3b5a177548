"""Parsing and merging of KEY=VALUE pairs."""

from typing import Any

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.overrides import merge, parse_pairs


def test_parses_values_as_toml_or_text() -> None:
    assert parse_pairs(["a=1", "b.c=x y", "b.d=true", 'e="q"', "f=C:\\x"]) == {
        "a": 1,
        "b": {"c": "x y", "d": True},
        "e": "q",
        "f": "C:\\x",
    }
    with pytest.raises(SettingsError, match="KEY=VALUE"):
        parse_pairs(["a b=1"])


def test_ignores_the_case_of_a_setting() -> None:
    assert parse_pairs(["LOG.level=debug", "log.format=json", "GROUP_ID=a", "Group_id=b"]) == {
        "log": {"level": "debug", "format": "json"},
        "group_id": "b",
    }
    assert parse_pairs(["cameras.Top.side=top"]) == {"cameras": {"Top": {"side": "top"}}}


@pytest.mark.parametrize("pair", ["a" + ".a" * 5000 + "=1", "=1", "a"])
def test_rejects_text_that_is_not_a_pair(pair: str) -> None:
    with pytest.raises(SettingsError, match="is not KEY=VALUE"):
        parse_pairs([pair])


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        ([{"a": 1}, {"a": 2}], {"a": 2}),
        ([{"a": {"b": 1, "c": 1}}, {"a": {"c": 2}}], {"a": {"b": 1, "c": 2}}),
        ([{"a": 1, "b": {"c": 1}}, {"a": None, "b": {"c": None}}], {"a": 1, "b": {"c": 1}}),
        ([{"a": 1}, {"a": {"b": 2}}], {"a": 1}),
        ([{"a": {"b": 2}}, {"a": 1}], {"a": 1}),
    ],
)
def test_later_layers_override_but_a_value_is_not_merged_with_a_table(
    layers: list[dict[str, Any]], merged: dict[str, Any]
) -> None:
    assert merge(*layers) == merged


def test_merging_does_not_change_the_layers() -> None:
    first: dict[str, Any] = {"a": {"b": 1}}
    merge(first, {"a": {"b": 2}})
    assert first == {"a": {"b": 1}}
