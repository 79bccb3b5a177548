"""Producer configuration by settings, and the producer of commands."""

from unittest.mock import MagicMock

import pytest

from stripwatch.worker.broker import producers
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.producers import LINGER_MS, open_frame_producer, producer_config
from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.config.loader import load_settings

SETTINGS = load_settings(None, {"delivery": "exactly-once", "group_id": "line", "instance_id": "one"})


def limits_of(**limits: int) -> TopicLimits:
    limits_known = TopicLimits(lambda: limits)
    limits_known.refresh()
    return limits_known


def test_only_transactional_producers_have_a_transactional_id() -> None:
    plain, transactional = producer_config(SETTINGS), producer_config(SETTINGS, in_transactions=True)
    assert (plain.transactional_id, plain.linger_ms) == (None, LINGER_MS)
    assert transactional.transactional_id == "line-one"
    assert transactional.transaction_s_max == SETTINGS.exactly_once.transaction_s_max
    assert transactional.linger_ms > LINGER_MS


@pytest.mark.parametrize(
    ("limits", "body_bytes_max", "request_bytes", "batch_bytes"),
    [
        ({}, 0, 1_048_576, 65_536),
        ({}, 5_000_000, 5_100_000, 65_536),
        ({"results": 20_000, "rejects": 9_000_000}, 5_000_000, 9_000_000, 20_000),
    ],
)
def test_a_request_fits_the_largest_record_and_a_batch_fits_in_every_topic(
    limits: dict[str, int], body_bytes_max: int, request_bytes: int, batch_bytes: int
) -> None:
    config = producer_config(SETTINGS, limits_of(**limits), body_bytes_max)
    assert (config.request_bytes_max, config.batch_bytes) == (request_bytes, batch_bytes)


def test_the_producer_of_a_command_sends_nothing_after_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """`close` of kafka-python 3.0.12 with a timeout leaves its thread sending."""
    producer = MagicMock()
    monkeypatch.setattr(producers, "require_topic", lambda *_: None)
    monkeypatch.setattr(producers, "_frame_limits", lambda *_: {})
    monkeypatch.setattr(producers, "open_producer", lambda *_: producer)
    with open_frame_producer(ClientConfig("localhost:1"), "frames"):
        producer._sender.force_close.assert_not_called()
    producer._sender.force_close.assert_called_once()
    producer._sender.join.assert_called_once()
