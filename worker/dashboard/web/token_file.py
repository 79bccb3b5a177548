"""The file of `view.token_file`: who may write on the page, by token. It is read again when it changes."""

import hashlib
import hmac
import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import structlog

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.text_encoding import decode_utf8_with_mark

log = structlog.get_logger()
TOKEN_CHARS_MIN, TOKEN_CHARS_MAX = 12, 500
NAME_CHARS_MAX = 60
_FILE_BYTES_MAX = 65_536
_LINES = "it must contain one token, or one line name:token per person"
_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Digests of the tokens with the name of each one's owner; "" for the one token that everybody shares."""

    owners: tuple[tuple[bytes, str], ...] = ()

    @property
    def shared(self) -> bool:
        """Return whether there is one token for all, so that people must state their names themselves."""
        return any(not name for _, name in self.owners)

    def owner(self, token: str) -> str | None:
        """Return the owner of a token, or None if it is wrong. The time taken does not depend on the token."""
        digest, found = _digest(token), None
        for known, name in self.owners:
            if hmac.compare_digest(known, digest):
                found = name
        return found


class TokenFile:
    """The tokens of a file as it is now. A file that becomes unreadable or invalid has no tokens until it is fixed."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises SettingsError if it cannot be read, is invalid, or can be changed by every user."""
        self._path = path
        self._stamp = _stamp(path)
        self._tokens = _read(path)

    @property
    def tokens(self) -> Tokens:
        """Return the tokens. A file that has become invalid is logged once, and has none."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp, self._tokens = stamp, Tokens()
            try:
                self._tokens = _read(self._path)
                log.info("tokens reloaded", file=str(self._path), tokens=len(self._tokens.owners))
            except SettingsError as error:
                log.error("tokens rejected", error=str(error))
        return self._tokens


def clean_name(text: str) -> str:
    """Return a person's name in composed form with single spaces, or "" if it is not usable.

    It must have at most 60 printable characters, and not begin like a formula: names end up in CSV files, which people
    open in spreadsheet programs.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    usable = name.isprintable() and len(name) <= NAME_CHARS_MAX and not name.startswith(("=", "+", "-", "@"))
    return name if usable else ""


def _stamp(path: Path) -> _Stamp | None:
    """Return values that differ after every change of the file; None if it cannot be examined."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def _read(path: Path) -> Tokens:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read view.token_file {path}: {getattr(error, 'strerror', error)}") from error
    if mode & stat.S_IWOTH:
        raise SettingsError(f"every user of this machine can change view.token_file {path}; run: chmod 640 {path}")
    if mode & stat.S_IROTH:
        log.warning("every user of this machine can read the tokens", file=str(path), fix=f"chmod 640 {path}")
    try:
        if len(content) > _FILE_BYTES_MAX:
            raise ValueError(f"it is larger than {_FILE_BYTES_MAX:,} bytes")
        return parse_tokens(decode_utf8_with_mark(content))
    except ValueError as error:
        raise SettingsError(f"view.token_file {path} is invalid: {error}") from error


def parse_tokens(text: str) -> Tokens:
    """Parse one token, or lines `name:token`. Empty lines and lines that begin with # are ignored. Raises ValueError.

    A person may have several tokens, so that an old one can be replaced. Errors name the line, never the token.
    """
    owners: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        named, colon, rest = line.rpartition(":")
        name, token = clean_name(named), rest.strip()
        if colon and not name:
            raise ValueError(f"line {number} has no name of at most {NAME_CHARS_MAX} printable characters; {_LINES}")
        if not TOKEN_CHARS_MIN <= len(token) <= TOKEN_CHARS_MAX or not _is_plain(token):
            raise ValueError(
                f"the token in line {number} must have {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} ASCII characters without "
                "spaces; create one with: openssl rand -hex 16"
            )
        if _digest(token) in owners:
            raise ValueError(f"the token in line {number} is also in an earlier line")
        owners[_digest(token)] = name
    if not owners:
        raise ValueError(f"it has no token; {_LINES}")
    if len(owners) > 1 and "" in owners.values():
        raise ValueError(f"it has several tokens, but not all have names; {_LINES}")
    return Tokens(tuple(owners.items()))


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
