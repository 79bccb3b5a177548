"""Log configuration for the project and its libraries: plain text on a terminal, JSON elsewhere.

Repeated lines are suppressed: at most five warnings or errors with the same text are written per minute, and the next
one states how many were suppressed.
"""

import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stripwatch.worker.common.log_lines import JsonLines, LineWriter, log_process, set_log_process
from stripwatch.worker.common.path_text import encodable

SAME_MAX, WINDOW_S = 5, 60.0
_TEXTS_MAX = 1000
_LIMITED = ("warning", "error", "critical")
# Informational lines about a state that may change as fast as frames arrive; they are limited like warnings.
_LIMITED_TEXTS = ("ready", "unready", "consumer paused", "consumer resumed")
_LIMITED_PREFIX = "camera no longer "  # the name of a camera condition follows
log = structlog.get_logger()


@dataclass(slots=True)
class _Window:
    began_s: float
    shown: int = 0
    suppressed: int = 0


class RateLimit:
    """Suppresses repeated lines: a structlog processor, and a filter for the log records of libraries. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        event = str(line["event"])
        limited = line["level"] in _LIMITED or event in _LIMITED_TEXTS or event.startswith(_LIMITED_PREFIX)
        if not limited:
            return line
        suppressed = self._admit(
            f"{line['event']} (partition {line['partition']})" if "partition" in line else line["event"]
        )
        if suppressed is None:
            raise structlog.DropEvent
        return {**line, "suppressed": suppressed} if suppressed else line

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        suppressed = self._admit(f"{record.name}: {record.msg}")
        record.suppressed = suppressed
        return suppressed is not None

    def suppressed(self) -> dict[str, int]:
        """Return the number of suppressed lines that no line has reported yet, by text."""
        with self._lock:
            return {text: window.suppressed for text, window in self._windows.items() if window.suppressed}

    def _admit(self, text: str) -> int | None:
        """Return None to suppress the line, else the number of lines suppressed since the last one that was written."""
        now_s = self._monotonic()
        with self._lock:
            window = self._windows.get(text)
            if window is None or now_s - window.began_s >= WINDOW_S:
                if len(self._windows) >= _TEXTS_MAX:
                    self._windows.clear()
                before = window.suppressed if window else 0
                self._windows[text] = _Window(now_s, shown=1)
                return before
            if window.shown < SAME_MAX:
                window.shown += 1
                return 0
            window.suppressed += 1
            return None


def set_up_logs(log_format: Literal["auto", "console", "json"], level: str, process: int | None = None) -> None:
    """Configure all logs to go to stderr; stdout is for results. Each line is one system call.

    Warnings of Python are logged too.

    log_format "auto": console on a terminal, else json. process: number of this worker process below a supervisor.
    """
    writer = LineWriter(sys.stderr)
    console = log_format == "console" or (log_format == "auto" and writer.isatty())
    ending: list[Processor] = (
        # a traceback with its local variables would print whole frames
        [structlog.dev.ConsoleRenderer(colors=writer.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, _encodable, JsonLines(writer.line_bytes_max)]
    )
    set_log_process(process)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process,
    ]
    structlog.configure(
        processors=[shared[0], _limit, *shared[1:], *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(writer),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(writer)
    handler.addFilter(_limit.filter)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _add_suppressed],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    warnings.showwarning = _log_warning
    _set_kafka_level(level)


def log_uncaught_errors() -> None:
    """Log errors that end the process or a thread, instead of printing a traceback of many lines."""
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda error: _log_uncaught(error.exc_type, error.exc_value, error.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    log.critical("uncaught error", error=str(error), exc_info=(kind, error, traceback))


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Log a warning of Python as one line. It replaces warnings.showwarning."""
    log.warning(str(message), logger="py.warnings", category=category.__name__, where=f"{filename}:{lineno}")


def log_suppressed() -> None:
    """Log the number of suppressed lines that were not yet reported. Call at shutdown."""
    if left := _limit.suppressed():
        log.info("log lines were suppressed", lines=left)


def _set_kafka_level(level: str) -> None:
    if level == "debug":
        logging.getLogger("kafka").setLevel(logging.DEBUG)
        for verbose in ("kafka.protocol", "kafka.net.connection", "kafka.producer", "kafka.admin"):
            logging.getLogger(verbose).setLevel(
                logging.INFO
            )  # at debug level they print whole requests, with passwords and frames
    else:  # they log an error per connection attempt; readiness and our own errors report it once
        logging.getLogger("kafka").setLevel(logging.ERROR)
        for noisy in ("kafka.net", "kafka.cluster"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _encodable(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Escape what JSON cannot encode: a line may contain the path of a file whose name is not UTF-8."""
    return {key: encodable(value) for key, value in line.items()}


def _add_process(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    process = log_process()
    return line if process is None else {**line, "process": process}


def _add_suppressed(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    suppressed = getattr(line["_record"], "suppressed", 0)
    return {**line, "suppressed": suppressed} if suppressed else line


_limit = RateLimit()
