"""KEY=VALUE on a command line, for any setting."""

import tomllib
from typing import Any

from stripwatch.worker.common.errors import SettingsError


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """`a.b=1` as {"a": {"b": 1}}. The value is TOML, or else text. Raises SettingsError."""
    merged: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair!r} is not KEY=VALUE")
        _merge(merged, _parse_toml(key, value))
    return merged


def _parse_toml(key: str, value: str) -> dict[str, Any]:
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    try:
        return tomllib.loads(f'{key} = "{quoted}"')
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"--set {key}={value} is not KEY=VALUE: {error}") from error


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
