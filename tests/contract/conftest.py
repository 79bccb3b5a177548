"""The broker with a line's topics, as the tools' tests have it."""

from tests.worker.conftest import broker, command_line, line_broker

__all__ = ["broker", "command_line", "line_broker"]
