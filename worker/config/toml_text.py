"""Read settings files in TOML. Any invalid content becomes an error of one sentence."""

import tomllib
from collections.abc import Iterator
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
    return read_toml_text(config)[1]


def read_toml_text(config: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a settings file, and its content. Raises the same errors as `read_toml`."""
    try:
        text = read_text(config)
        return text, parse_toml(text)
    except ValueError as error:
        raise SettingsError(f"{config} is not valid TOML: {error}") from error


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, counted from 1, of each key and table header in a valid TOML document.

    tomllib reports no lines, so each statement is parsed separately. A value may take several lines.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    statement, first = "", 1
    for number, line in enumerate(text.removeprefix(BYTE_ORDER_MARK).splitlines(), 1):
        if not statement:
            first = number
        statement += f"{line}\n"
        try:
            values = parse_toml(statement)
        except ValueError:
            continue  # the value ends on a later line
        if statement.lstrip().startswith("["):
            table = next(iter(_key_paths(values)), ())
            found.setdefault(table, first)
        else:
            found |= {(*table, *path): first for path in _key_paths(values)}
        statement = ""
    return found


def _key_paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _key_paths(value, (*above, key))
        else:
            yield (*above, key)


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
