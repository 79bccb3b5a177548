"""One log for this project and its libraries: a line a person can read on a terminal, JSON elsewhere."""

import logging
import sys
from typing import Literal

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def set_up_logs(log_format: Literal["auto", "console", "json"], level: str) -> None:
    """Everything goes to stderr; stdout belongs to results."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    ending: list[structlog.typing.Processor] = (
        # a traceback with its local variables would print whole frames
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*_SHARED, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    if level == "debug":
        logging.getLogger("kafka").setLevel(logging.DEBUG)
        for telltale in ("kafka.protocol", "kafka.net.connection", "kafka.producer", "kafka.admin"):
            logging.getLogger(telltale).setLevel(logging.INFO)  # they print every request: passwords, whole frames
    else:  # each attempt to connect is an error line of its own there; readiness and our own errors say it once
        logging.getLogger("kafka").setLevel(logging.ERROR)
        for chatty in ("kafka.net", "kafka.cluster"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)
