"""Replace the old keys in a settings file with the new ones, and leave the rest of the file unchanged."""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, InlineTable, Item, Key, Table

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.text_encoding import BYTE_ORDER_MARK
from stripwatch.worker.config.loader import settings_from
from stripwatch.worker.config.origins import Sources
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.renames import new_key, old_keys, own_variables, without_old_keys
from stripwatch.worker.config.toml_text import parse_toml, read_text, read_toml

_BARE_LINE_FEED = re.compile(r"(?<!\r)\n")
_Lines = list[tuple[Key | None, Item]]


@dataclass(frozen=True, slots=True)
class Migration:
    """Outcome of migrating a settings file.

    Attributes:
        file: The settings file.
        renamed: Old key to new key; empty if nothing had to change.
        backup: Copy of the old file; None if nothing had to change.
        still_invalid: Other errors in the settings, which existed before and are not fixed automatically; None if the
            file is valid. It is also checked if nothing had to change.
    """

    file: Path
    renamed: dict[str, str]
    backup: Path | None
    still_invalid: str | None = None


def migrate_file(file: Path) -> Migration:
    """Rewrite a settings file in place, and keep the old one as FILE.bak, or FILE.bak.1, FILE.bak.2… if that exists.

    A file without old keys is not changed, nor is a file for which InputError or SettingsError is raised.
    """
    values = read_toml(file)
    if not (renamed := old_keys(values)):
        return Migration(file, {}, None, _remaining_error(values))
    _check_writable(file)
    old = read_text(file)
    new = migrate_text(file, old)
    backup = _free_name(file)
    _replace(file, backup, old.encode(), new.encode())
    return Migration(file, {key: new_key(key) for key in renamed}, backup, _remaining_error(parse_toml(new)))


def migrate_text(file: Path, text: str) -> str:
    """Return the text of a settings file with the new keys in place of the old. Raises SettingsError."""
    try:
        _check_collisions(file, parse_toml(text))
        document = tomlkit.parse(text.removeprefix(BYTE_ORDER_MARK))
        _rename_keys(document)
        migrated = document.as_string()
        if "\r\n" in text and not _BARE_LINE_FEED.search(text):
            migrated = _BARE_LINE_FEED.sub("\r\n", migrated)  # tomlkit ends the lines that it adds with \n
        right = parse_toml(migrated) == _renamed(parse_toml(text))
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise SettingsError(f"cannot rewrite {file}: {error}") from error
    if not right:
        raise SettingsError(f"cannot rewrite {file} without changing its values; rename the keys by hand")
    return BYTE_ORDER_MARK + migrated if text.startswith(BYTE_ORDER_MARK) else migrated


def _check_writable(file: Path) -> None:
    # os.access is always true for root, but a file without any write permission is meant to be read-only
    if not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(file, os.W_OK):
        raise InputError(f"{file} is read-only; make it writable first")


def _free_name(file: Path) -> Path:
    names = (file.with_name(f"{file.name}.bak{f'.{number}' if number else ''}") for number in count())
    return next(name for name in names if not os.path.lexists(name))


def _check_collisions(file: Path, values: dict[str, Any]) -> None:
    same: dict[str, list[str]] = {}  # by the new key or section: the keys of the file that set it
    for old in old_keys(values):
        same.setdefault(new_key(old), []).append(old)
        section = new_key(old).split(".")[0]
        same[section] = [key for key, value in values.items() if key.lower() == section and isinstance(value, dict)]
    for section, value in values.items():
        for name in value if isinstance(value, dict) else ():
            if (key := f"{section.lower()}.{name}") in same:
                same[key].append(f"{section}.{name}")
    both = [" and ".join(map(repr, keys)) for keys in same.values() if len(keys) > 1]
    if both:
        raise SettingsError(f"{file} sets both {', and both '.join(both)}, which are the same; remove one of each")


def _section_names(values: dict[str, Any]) -> dict[str, str]:
    """Return the spelling that the file uses for each section, by lower-case name; keys may be in any case."""
    return {key.lower(): key for key, value in values.items() if isinstance(value, dict)}


def _new_spelling(old: str, sections: dict[str, str]) -> str:
    """Return the new key, with the section spelled as in the file."""
    section, name = new_key(old).split(".")
    return f"{sections.get(section, section)}.{name}"


def _remaining_error(values: dict[str, Any]) -> str | None:
    """Describe an error in the migrated settings.

    Renaming keeps every value, so the error existed before, or the missing setting is set where this process cannot
    see it.
    """
    try:
        settings_from(Sources(values, {}, without_old_keys(own_variables(os.environ))))
    except SettingsError as error:
        return str(error)
    return None


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values under their new keys."""
    old, sections = old_keys(values), _section_names(values)
    new = [{section: {name: values[key]}} for key in old for section, name in [_new_spelling(key, sections).split(".")]]
    return merge({key: value for key, value in values.items() if key not in old}, *new)


def _rename_keys(document: tomlkit.TOMLDocument) -> None:
    """Turn each old key into a dotted key, or move it into its section if the file has a table for that."""
    values = document.unwrap()
    old, sections = old_keys(values), _section_names(values)
    tables = _section_tables(document)
    lines: _Lines = []
    above: dict[int, _Lines] = {}  # by id of an inline table: the comments of the keys moved into it
    for key, item in document.body:
        if key is None or key.key not in old:
            lines.append((key, item))
            continue
        section, name = _new_spelling(key.key, sections).split(".")
        sep = _spacing(key)
        if section in tables:
            table = tables[section]
            comments = _take_comments(lines)
            if isinstance(table, Table):
                _move_into_table(comments, item, table, _new_key([name], sep))
            else:
                above.setdefault(id(table), []).extend([*comments, *_move_into_braces(item, table, name)])
        else:
            lines.append((_new_key([section, name], sep), item))
    document.body[:] = [line for each in lines for line in [*above.get(id(each[1]), []), each]]


def _section_tables(document: tomlkit.TOMLDocument) -> dict[str, Table | InlineTable]:
    """Return the inline tables and the tables with a header. TOML forbids further dotted keys for these."""
    return {
        key.key: item
        for key, item in document.body
        if key is not None and (isinstance(item, InlineTable) or (isinstance(item, Table) and not key.is_dotted()))
    }


def _spacing(key: Key) -> str:
    """Return the text between a key and its value. tomlkit treats blanks before "=" as part of the key."""
    written = key.as_string()
    return written[len(written.rstrip()) :] + key.sep


def _new_key(parts: list[str], sep: str) -> Key:
    key = tomlkit.key(parts if len(parts) > 1 else parts[0])
    key.sep = sep
    return key


def _take_comments(lines: _Lines) -> _Lines:
    """Remove and return the comments at the end of the lines, which belong to the next line."""
    first = len(lines)
    while first and isinstance(lines[first - 1][1], Comment):
        first -= 1
    taken = lines[first:]
    del lines[first:]
    return taken


def _move_into_table(comments: _Lines, item: Item, table: Table, key: Key) -> None:
    """Add the value and its comments after the last key of a table."""
    item.trivia.indent = ""
    body = table.value.body
    end = max((index for index, (known, _) in enumerate(body, 1) if known is not None), default=0)
    below = body[end:]  # comments after the last key may belong to the next table
    del body[end:]
    table.append(key, item)
    body[-1:-1] = comments
    body.extend(below)


def _move_into_braces(item: Item, table: InlineTable, name: str) -> _Lines:
    """Add the value to an inline table. Return its comment, which is not valid TOML inside braces."""
    comment = item.trivia.comment
    item.trivia.indent = item.trivia.comment_ws = item.trivia.comment = item.trivia.trail = ""
    table.append(name, item)
    return [(None, tomlkit.comment(comment.lstrip("# ")))] if comment else []


def _replace(file: Path, backup: Path, old: bytes, new: bytes) -> None:
    """Write the backup and the new file, both with the owner and mode of the old file, which may hold a password."""
    target = file.resolve()  # keep a symbolic link, and replace its target
    like = target.stat()
    atomic_write(backup, old, like)
    try:
        atomic_write(target, new, like)
    except InputError:
        with suppress(OSError):  # the first error is the one to report
            backup.unlink()
        raise
