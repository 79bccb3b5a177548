"""Parse the settings of the command line, and merge them with other settings."""

from collections.abc import Iterator, Mapping
from typing import Any

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.fields.field_paths import find_setting, kinds_of
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.config.toml_text import parse_toml

_OPTION = "--"


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """Parse KEY=VALUE pairs: `a.b=1` becomes {"a": {"b": 1}}. A value that is not TOML is text. Raises SettingsError.

    The first part of each key is converted to lower case, because settings may be written in any case. A pair that
    begins with two hyphens comes from an option, as in `--metrics.port=9109`. Its value is text, as in an environment
    variable, so that `--group-id 7` needs no quotes. A setting that is a list takes values separated by commas, and
    further values if the option is repeated.
    """
    merged: dict[str, Any] = {}
    for pair in pairs:
        _merge(merged, _parse_pair(pair, merged))
    return merged


def names_of_pairs(pairs: list[str]) -> dict[tuple[str, ...], str]:
    """Return how each setting was written on the command line, such as `--set metrics.port`, by its keys."""
    names: dict[tuple[str, ...], str] = {}
    for pair in pairs:
        key = pair.partition("=")[0].strip()
        written = key if key.startswith(_OPTION) else f"--set {key}"
        names |= dict.fromkeys(key_paths(_parse_pair(pair, {})), written)
    return names


def _parse_pair(pair: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Parse one pair. before: the values of earlier pairs, to which an option may add a value."""
    key, equals, value = pair.partition("=")
    setting = find_setting(Settings, key.removeprefix(_OPTION)) if key.startswith(_OPTION) else None
    if setting is None:
        if not equals:
            raise SettingsError(f"--set {pair!r} is not KEY=VALUE")
        return {name.lower(): given for name, given in _parse_toml(key, value).items()}
    nested: Any = value
    if list in kinds_of(setting.annotation) or tuple in kinds_of(setting.annotation):
        nested = [*_earlier(before, setting.path), *(each.strip() for each in value.split(","))]
    for name in reversed(setting.path):
        nested = {name: nested}
    parsed: dict[str, Any] = nested
    return parsed


def _earlier(values: Any, path: tuple[str, ...]) -> list[Any]:
    for name in path:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values if isinstance(values, list) else []


def key_paths(values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the keys of each value in nested settings."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((key, *below) for below in key_paths(value))
        else:
            yield (key,)


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
