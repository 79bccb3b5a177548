r"""Paths as text, and text as paths.

A file name on Linux is a row of bytes: they may not be UTF-8, or may hold a line break or control codes of a terminal.
Such a name cannot be put into JSON, or breaks a line of a log. Here every byte that cannot be shown becomes \xNN, and a
backslash that would read as the start of such a code becomes \x5c. Two names therefore never have the same text, and a
text leads back to its file. Ordinary names stay as they are.
"""

import os
import re
from pathlib import Path
from typing import Any

_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\(?=x[0-9a-f]{2})")
_NOT_ENCODABLE = re.compile(r"[\ud800-\udfff]")
_CODE = re.compile(rb"\\x([0-9a-f]{2})")


def path_text(path: str | os.PathLike[str]) -> str:
    r"""A path as text for JSON, logs, reports and file lists, with \xNN for what cannot be shown."""
    return _NOT_SHOWN.sub(_codes, os.fspath(path))


def path_of(text: str) -> Path:
    """The path that `path_text` made the text of."""
    return Path(os.fsdecode(_CODE.sub(lambda code: bytes.fromhex(code[1].decode()), os.fsencode(text))))


def name_below(root: Path, path: Path) -> str:
    """The name of a file within a data folder: its path from there, with "/", as text."""
    return path_text(path.relative_to(root).as_posix())


def file_below(root: Path, name: str) -> Path:
    """The file that `name_below` made the name of."""
    return root / path_of(name)


def encodable(value: Any) -> Any:
    r"""The same value with \xNN for what UTF-8 cannot encode in its texts, also inside lists and dictionaries.

    For sentences and log lines, which may hold a path that nobody has made text of.
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
