"""The broker with a line's topics, as the tools' tests have it."""

from tests.worker.conftest import command_line, empty_broker, line_broker

__all__ = ["command_line", "empty_broker", "line_broker"]
