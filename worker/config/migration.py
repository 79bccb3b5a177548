"""Rewrite a settings file with old keys to the new ones. Everything else in the file stays as it is."""

import os
import stat
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Item, Table

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config.loader import build_settings, read_toml
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.renames import RENAMES, old_keys, own_variables, reject_old_keys


@dataclass(frozen=True, slots=True)
class Migration:
    """A migrated file. renamed: old key to new key, empty where the file needed nothing. backup: the old file."""

    file: Path
    renamed: dict[str, str]
    backup: Path | None


def migrate_file(file: Path) -> Migration:
    """Rewrite a settings file in place, and keep the old one as FILE.bak.

    A file without old keys is not touched. Raises InputError or SettingsError, and then leaves the file as it was.
    """
    if not (renamed := old_keys(read_toml(file))):
        return Migration(file, {}, None)
    backup = file.with_name(file.name + ".bak")
    _check_places(file, backup)
    old = file.read_bytes()
    new = migrate_text(file, old.decode())
    _check_settings(file, tomllib.loads(new))
    _replace(file, backup, old, new.encode())
    return Migration(file, {key: RENAMES[key] for key in renamed}, backup)


def migrate_text(file: Path, text: str) -> str:
    """The text of a settings file with the new keys, in their places. Raises SettingsError that names the file."""
    try:
        document = tomlkit.parse(text)
        _check_collisions(file, document.unwrap())
        _rename_keys(document)
        migrated = document.as_string()
        right = tomllib.loads(migrated) == _renamed(tomllib.loads(text))
    except (TOMLKitError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot rewrite {file}: {error}") from error
    if not right:
        raise SettingsError(f"cannot rewrite {file} without a change of its values; rename the keys by hand")
    return migrated


def _check_places(file: Path, backup: Path) -> None:
    if os.path.lexists(backup):
        raise InputError(f"{backup} is already there; move it away, since the old file is kept under this name")
    # root may write to any file, but a file that nobody may write to is read-only for a reason
    if not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(file, os.W_OK):
        raise InputError(f"{file} is read-only; make it writable first")


def _check_collisions(file: Path, values: dict[str, Any]) -> None:
    both = [f"{old!r} and {RENAMES[old]!r}" for old in old_keys(values) if _has(values, RENAMES[old])]
    if both:
        raise SettingsError(f"{file} sets both {', and both '.join(both)}; delete the old key where both are set")


def _has(values: dict[str, Any], key: str) -> bool:
    section, name = key.split(".")
    return isinstance(values.get(section), dict) and name in values[section]


def _check_settings(file: Path, values: dict[str, Any]) -> None:
    try:
        build_settings(values, {})
    except SettingsError as error:
        reject_old_keys(None, {}, {}, own_variables(os.environ))  # one of these may be the cause
        raise SettingsError(
            f"{file} is unchanged, because it would not be valid with the new keys either: {error}; correct this first "
            "(set what the worker gets from its environment for this command too)"
        ) from error


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """The values by their new keys."""
    old = old_keys(values)
    new = [{section: {name: values[key]}} for key in old for section, name in [RENAMES[key].split(".")]]
    return merge({key: value for key, value in values.items() if key not in old}, *new)


def _rename_keys(document: tomlkit.TOMLDocument) -> None:
    """An old key becomes a dotted key in its place, or moves into its section where the file has a table for it."""
    tables = _section_tables(document)
    body = document.body
    for place, (key, item) in enumerate(body):
        if key is None or key.key not in RENAMES or isinstance(item, Table | InlineTable):
            continue
        section, name = RENAMES[key.key].split(".")
        if section in tables:
            body[place] = (None, _move(item, tables[section], name))
        else:
            dotted = tomlkit.key([section, name])
            written = key.as_string()
            dotted.sep = written[len(written.rstrip()) :] + key.sep  # tomlkit counts the blanks before "=" to the key
            body[place] = (dotted, item)


def _section_tables(document: tomlkit.TOMLDocument) -> dict[str, Table | InlineTable]:
    """The tables with a header or in braces. TOML forbids further dotted keys for these."""
    return {
        key.key: item
        for key, item in document.body
        if key is not None and (isinstance(item, InlineTable) or (isinstance(item, Table) and not key.is_dotted()))
    }


def _move(item: Item, table: Table | InlineTable, name: str) -> Item:
    """Add the value to a table. Returns what stays in its place: a comment that cannot move along, or nothing."""
    item.trivia.indent = ""
    if isinstance(table, Table):
        body = table.value.body
        end = max((place for place, (key, _) in enumerate(body, 1) if key is not None), default=0)
        below = body[end:]  # comments under the last key may be about the next table
        del body[end:]
        table.append(name, item)
        body.extend(below)
        return tomlkit.ws("")
    comment = item.trivia.comment  # inside the braces it would not be valid TOML
    item.trivia.comment_ws = item.trivia.comment = item.trivia.trail = ""
    table.append(name, item)
    return tomlkit.comment(comment.lstrip("# ")) if comment else tomlkit.ws("")


def _replace(file: Path, backup: Path, old: bytes, new: bytes) -> None:
    """Both files have the owner and mode of the old one: it may hold a password."""
    target = file.resolve()  # of a link, the link stays
    like = target.stat()
    atomic_write(backup, old, like)
    try:
        atomic_write(target, new, like)
    except InputError:
        with suppress(OSError):  # the first error is the one to report
            backup.unlink()
        raise
