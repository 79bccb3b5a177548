"""Read settings files in TOML. Any invalid content becomes an error of one sentence."""

import tomllib
from pathlib import Path
from typing import Any

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.text_encoding import BYTE_ORDER_MARK, decode_utf8_with_mark

_DEPTH_MAX = 20  # settings have three levels


def read_text(config: Path) -> str:
    """Read a settings file unchanged. Raises InputError if it cannot be read, SettingsError if it is not UTF-8."""
    try:
        if not config.exists():
            raise InputError(f"settings file {config} does not exist")
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
    """Parse a TOML document, which may begin with a byte order mark. Raises ValueError."""
    try:
        values = tomllib.loads(text.removeprefix(BYTE_ORDER_MARK))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(values)
    return values


def read_toml(config: Path) -> dict[str, Any]:
    """Read and parse a settings file. Raises InputError if it cannot be read, SettingsError if it is not TOML."""
    try:
        return parse_toml(read_text(config))
    except ValueError as error:
        raise SettingsError(f"{config} is not valid TOML: {error}") from error


def _check_depth(values: dict[str, Any]) -> None:
    """Raise ValueError for deep nesting: a dotted key with thousands of parts is valid TOML, but exhausts recursion."""
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
    raise ValueError("nested too deeply")
