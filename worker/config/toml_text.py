"""TOML as text and as values, where whatever a file may hold is a value or one sentence."""

import tomllib
from pathlib import Path
from typing import Any

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.text_encoding import BYTE_ORDER_MARK, decode_utf8_with_mark

_DEPTH_MAX = 20  # settings have three levels


def read_text(config: Path) -> str:
    """A settings file as it is. Raises InputError where it cannot be read, SettingsError where it is not UTF-8."""
    try:
        if not config.exists():
            raise InputError(f"there is no configuration file {config}")
        if not config.is_file():
            raise InputError(f"{config} is not a file")
        raw = config.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {config}: {getattr(error, 'strerror', error)}") from error
    try:
        return decode_utf8_with_mark(raw)
    except ValueError as error:
        raise SettingsError(f"cannot read {config}: {error}") from error


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a TOML document, which may begin with a byte order mark. Raises ValueError."""
    try:
        values = tomllib.loads(text.removeprefix(BYTE_ORDER_MARK))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_depth(values)
    return values


def read_toml(config: Path) -> dict[str, Any]:
    """What a settings file holds. Raises InputError where it cannot be read, SettingsError where it is not TOML."""
    try:
        return parse_toml(read_text(config))
    except ValueError as error:
        raise SettingsError(f"{config} is not valid TOML: {error}") from error


def _check_depth(values: dict[str, Any]) -> None:
    """A dotted key of thousands of parts is valid TOML, and nothing that goes down into it returns."""
    level: list[Any] = [values]
    for _ in range(_DEPTH_MAX):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    raise ValueError("it is nested too deeply")
