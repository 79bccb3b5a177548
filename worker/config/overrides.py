"""KEY=VALUE on a command line, for any setting, and how it goes together with the other flags."""

from collections.abc import Mapping
from typing import Any

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.toml_text import parse_toml


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """`a.b=1` as {"a": {"b": 1}}. The value is TOML, or else text. Raises SettingsError.

    The first part of a key is given in lower case: that of a file or variable may have any.
    """
    merged: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair!r} is not KEY=VALUE")
        _merge(merged, {name.lower(): given for name, given in _parse_toml(key, value).items()})
    return merged


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One nested mapping of several. The later layer wins; None is not a value."""
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
    """A value meets a table only where one of them is wrong: the value stays, so that the error names it."""
    for key, value in more.items():
        if isinstance(value, Mapping) and key in into:
            if isinstance(into[key], dict):
                _merge(into[key], value)
        elif value is not None:
            into[key] = merge(value) if isinstance(value, Mapping) else value
