"""Parse the KEY=VALUE pairs of --set, and merge them with other settings."""

from collections.abc import Mapping
from typing import Any

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.toml_text import parse_toml


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """Parse KEY=VALUE pairs: `a.b=1` becomes {"a": {"b": 1}}. A value that is not TOML is text. Raises SettingsError.

    The first part of each key is converted to lower case, because settings may be written in any case.
    """
    merged: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair!r} is not KEY=VALUE")
        _merge(merged, {name.lower(): given for name, given in _parse_toml(key, value).items()})
    return merged


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings into one. Later layers override earlier ones; None does not count as a value."""
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer)
    return merged


def _parse_toml(key: str, value: str) -> dict[str, Any]:
    try:
        return parse_toml(f"{key} = {value}")
    except ValueError:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    try:
        return parse_toml(f'{key} = "{quoted}"')
    except ValueError as error:
        raise SettingsError(f"--set {key}={value} is not KEY=VALUE: {error}") from error


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Merge a mapping into another.

    If one has a value and the other a table, one of them is wrong. The value is kept, so that the error names it.
    """
    for key, value in more.items():
        if isinstance(value, Mapping) and key in into:
            if isinstance(into[key], dict):
                _merge(into[key], value)
        elif value is not None:
            into[key] = merge(value) if isinstance(value, Mapping) else value
