"""Broker with the topics of a line, shared with the tests of the tools."""

from tests.worker.conftest import command_line, empty_broker, line_broker

__all__ = ["command_line", "empty_broker", "line_broker"]
