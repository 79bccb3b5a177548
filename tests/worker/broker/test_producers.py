"""Producers for frames, of tools."""

from unittest.mock import MagicMock

import pytest

from stripwatch.worker.broker import producers
from stripwatch.worker.broker.producers import open_frame_producer


def test_the_producer_of_a_tool_sends_nothing_after_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """close() of kafka-python 3.0.12 with a timeout leaves its thread sending."""
    producer = MagicMock()
    monkeypatch.setattr(producers, "require_topic", lambda *_: None)
    monkeypatch.setattr(producers, "_frame_limits", lambda *_: {})
    monkeypatch.setattr(producers, "connect_tool", lambda *_, **__: producer)
    with open_frame_producer("localhost:1", "frames"):
        producer._sender.force_close.assert_not_called()
    producer._sender.force_close.assert_called_once()
    producer._sender.join.assert_called_once()
