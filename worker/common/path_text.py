r"""Reversible conversion of paths to printable text.

A file name on Linux is a sequence of bytes. It may not be valid UTF-8, which JSON cannot encode, or may have a line
break or terminal control codes, which break a log line. Every byte that is not printable becomes \xNN, and a backslash
that looks like the start of such an escape becomes \x5c. Two names therefore never have the same text, and the text can
be converted back. Ordinary names are unchanged.
"""

import os
import re
from pathlib import Path
from typing import Any

_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\(?=x[0-9a-f]{2})")
_NOT_ENCODABLE = re.compile(r"[\ud800-\udfff]")
_CODE = re.compile(rb"\\x([0-9a-f]{2})")


def path_text(path: str | os.PathLike[str]) -> str:
    r"""Return a path as text for JSON, logs, reports and file lists, with \xNN for bytes that are not printable."""
    return _NOT_SHOWN.sub(_codes, os.fspath(path))


def path_of(text: str) -> Path:
    """Return the path for a text made by `path_text`."""
    return Path(os.fsdecode(_CODE.sub(lambda code: bytes.fromhex(code[1].decode()), os.fsencode(text))))


def name_below(root: Path, path: Path) -> str:
    """Return the name of a file in a data folder: its relative path with "/" as separator, as text."""
    return path_text(path.relative_to(root).as_posix())


def file_below(root: Path, name: str) -> Path:
    """Return the path of a file for a name made by `name_below`."""
    return root / path_of(name)


def encodable(value: Any) -> Any:
    r"""Return a value whose texts can be encoded as UTF-8, with \xNN for the rest; handles lists and dictionaries.

    For messages and log lines, which may contain a path that was not converted by `path_text`.
    """
    if isinstance(value, str):
        return _NOT_ENCODABLE.sub(_codes, value)
    if isinstance(value, os.PathLike):
        return path_text(value)
    if isinstance(value, dict):
        return {encodable(key): encodable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(each) for each in value]
    return value


def _codes(match: re.Match[str]) -> str:
    character = match[0]
    undecodable = "\udc80" <= character <= "\udcff"
    raw = character.encode("utf-8", "surrogateescape" if undecodable else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in raw)
