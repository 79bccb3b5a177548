"""Log lines that stay whole when several processes write to the same pipe or file.

POSIX writes at most PIPE_BUF bytes (4,096 on Linux) to a pipe in one piece. Each line is therefore one system call, and
a longer JSON line becomes several complete ones. A regular file opened for appending takes a line of any length in one
piece.
"""

import json
import os
import select
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from stripwatch.worker.common.path_text import encodable

if TYPE_CHECKING:  # a command line must report an error without importing the log
    from structlog.typing import EventDict

PARTS_MAX = 64
_HEAD = ("event", "level", "timestamp", "process", "logger")
_HEAD_CHARACTERS_MAX = 300
_KEY_CHARACTERS_MAX = 100
_RETRY_MS = 1000  # a pipe that another program made non-blocking is full
_process: int | str | None = None


class LineWriter:
    """File-like object that writes each text in one system call. Thread-safe, also if a write causes another one.

    A signal handler or the garbage collector can interrupt a write and log a line in the same thread.

    A log that cannot be written must not stop the line: errors are counted, and the next line that can be written is
    preceded by their number.

    stream: None if the process was started without stderr; nothing is written then. line_bytes_max: largest number of
    bytes that arrive in one piece; None without a limit.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._fd = _descriptor(stream)
        self.line_bytes_max = _whole_bytes_max(self._fd)
        self.lost = 0
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write one or more complete lines, each of them whole."""
        if self._stream is None:
            return len(text)
        with self._lock:
            if self.lost:
                text = _lost_lines(self.lost) + text
            try:
                for chunk in self._chunks(text):
                    self._write_whole(self._stream, chunk)
                self.lost = 0
            except (OSError, ValueError):  # the reader of the pipe has ended, the disk is full, or stderr is closed
                self.lost += 1
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` keeps nothing back."""

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def _chunks(self, text: str) -> Iterator[bytes]:
        """Split the text into pieces that arrive whole, at the ends of its lines where possible."""
        data = text.encode("utf-8", "backslashreplace")
        limit = self.line_bytes_max
        while limit is not None and len(data) > limit:
            end = data.rfind(b"\n", 0, limit) + 1
            yield data[:end] if end else data[: limit - 1] + b"\n"
            data = data[end or limit - 1 :]
        yield data

    def _write_whole(self, stream: TextIO, data: bytes) -> None:
        if self._fd is None:  # a test or a notebook has replaced stderr
            stream.write(data.decode())
            stream.flush()
            return
        with suppress(OSError, ValueError):
            stream.flush()  # keep the order with what others print
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                if not poll.poll(_RETRY_MS):
                    raise


def set_log_process(process: int | str | None) -> None:
    """Name this process in each log line, as `process`. None: do not, because there is only one."""
    global _process
    _process = process


def log_process() -> int | str | None:
    """Return the name of this process in its log lines."""
    return _process


def print_error(sentence: str) -> None:
    """Print the error that ends a command on stderr, with the process it comes from, as one line."""
    where = "" if _process is None else f"process {_process}: "
    LineWriter(sys.stderr).write(f"error: {where}{encodable(sentence)}\n")


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _whole_bytes_max(fd: int | None) -> int | None:
    if fd is None:
        return None
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) or os.isatty(fd) else select.PIPE_BUF


def _lost_lines(lost: int) -> str:
    return _dumps({"event": "log lines could not be written", "level": "error", "lines": lost}) + "\n"


class JsonLines:
    """A structlog renderer: one JSON object per line, several if one would be too long.

    The parts of a long line repeat its event, level, timestamp and process, and are numbered: `part` is "2/3". A value
    that does not fit into one part continues under the same key in the next one.

    line_bytes_max: limit of a line with its line break; None without a limit.
    """

    def __init__(self, line_bytes_max: int | None) -> None:
        self._limit = line_bytes_max

    def __call__(self, _logger: object, _method: str, line: "EventDict") -> str:
        text = _dumps(line)
        if self._limit is None or len(text) < self._limit:
            return text
        return "\n".join(_parts(line, self._limit - 1))


def _parts(line: "EventDict", limit: int) -> list[str]:
    """Return the complete lines that together hold the fields of one long line."""
    head = {key: _shortened(line[key]) for key in _HEAD if key in line}
    rest = {key: value for key, value in line.items() if key not in head}
    if head.get("event") != line.get("event"):
        rest = {"text": line["event"], **rest}
    budget = limit - len(_dumps({**head, "part": f"{PARTS_MAX}/{PARTS_MAX}", "truncated": True}))
    packed: list[dict[str, Any]] = [{}]
    for key, value in rest.items():
        for piece in _pieces(key[:_KEY_CHARACTERS_MAX], value, budget):
            if piece.keys() & packed[-1].keys() or len(_dumps(packed[-1] | piece)) > budget:
                packed.append({})
            packed[-1] |= piece
    shown = packed[:PARTS_MAX]
    if len(packed) > PARTS_MAX:
        shown[-1]["truncated"] = True
    return [_dumps({**head, **part, "part": f"{n}/{len(shown)}"}) for n, part in enumerate(shown, 1)]


def _pieces(key: str, value: object, budget: int) -> Iterator[dict[str, Any]]:
    """Split one field into pieces that fit. A value that is not text is split as JSON."""
    if len(_dumps({key: value})) <= budget:
        yield {key: value}
        return
    text = value if isinstance(value, str) else _dumps(value)
    while text:
        size = budget
        while (length := len(_dumps({key: text[:size]}))) > budget:  # an escaped character takes up to 12 bytes
            size = max(1, min(size - 1, size * budget // length))
        yield {key: text[:size]}
        text = text[size:]


def _shortened(value: object) -> object:
    """Limit a field that every part repeats."""
    return (
        f"{value[: _HEAD_CHARACTERS_MAX // 2]}..."
        if len(_dumps(value)) > _HEAD_CHARACTERS_MAX and isinstance(value, str)
        else value
    )


def _dumps(value: Any) -> str:
    return json.dumps(value, default=repr)
