"""The limits of topics: as Kafka says them, and as its refusals show."""

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.broker.topic_limits import DEFAULT_BYTES_MAX, TopicLimits, read_topic_limits, record_bytes
from stripwatch.worker.config.loader import load_settings
from tests.brokers.handle import BrokerHandle


def test_a_limit_that_was_changed_replaces_what_was_learned() -> None:
    told = {"rejects": 1000}
    limits = TopicLimits(lambda: told)
    limits.refresh()
    limits.learn("rejects", 900, 600)
    limits.refresh()
    assert limits.bytes_max("rejects") == 600
    told["rejects"] = 2000
    limits.refresh()
    assert limits.bytes_max("rejects") == 2000


def test_a_topic_that_is_not_told_keeps_its_limit() -> None:
    answers = iter([{"rejects": 1000, "results": 500}, {"results": 600}])
    limits = TopicLimits(lambda: next(answers))
    limits.refresh()
    limits.refresh()
    assert (limits.bytes_max("rejects"), limits.bytes_max("results"), limits.bytes_max("other")) == (1000, 600, None)
    assert (limits.smallest(), limits.largest()) == (600, 1000)


def test_the_first_guess_at_an_unknown_limit_is_the_default_of_kafka() -> None:
    limits = TopicLimits()
    limits.learn("rejects", 16_000_000, 15_999_000)
    assert limits.bytes_max("rejects") == DEFAULT_BYTES_MAX
    limits.learn("rejects", DEFAULT_BYTES_MAX, 1_000_000)
    assert limits.bytes_max("rejects") == DEFAULT_BYTES_MAX - 500_000


@pytest.mark.kafka
def test_kafka_tells_the_limits_and_leaves_out_a_topic_that_is_missing(apache_broker: BrokerHandle) -> None:
    settings = load_settings(None, {"bootstrap_servers": apache_broker.bootstrap_servers})
    plain = apache_broker.new_topic(max_message_bytes="2000")
    compressed = apache_broker.new_topic(max_message_bytes="2000", compression_type="gzip")
    with capture_logs() as logs:
        assert read_topic_limits(settings, [plain, compressed, "missing"]) == {plain: 2000, compressed: 1980}
    assert [log["topics"] for log in logs] == [["missing"]]


@pytest.mark.kafka
def test_kafka_takes_a_record_of_that_size_and_refuses_a_slightly_larger_one(apache_broker: BrokerHandle) -> None:
    topic = apache_broker.new_topic(max_message_bytes="2000")
    headers = [("name", b"value")]
    body = bytes(2000 - record_bytes(b"key", b"", headers))
    with apache_broker.producer() as producer:
        while record_bytes(b"key", body, headers) > 2000:
            body = body[1:]
        producer.send(topic, body, key=b"key", headers=headers).get(30)
        with pytest.raises(Exception, match="MessageSizeTooLarge"):
            producer.send(topic, body + bytes(50), key=b"key", headers=headers).get(30)


def test_a_broker_that_cannot_tell_is_no_failure(embedded_broker: BrokerHandle) -> None:
    settings = load_settings(None, {"bootstrap_servers": embedded_broker.bootstrap_servers})
    topic = embedded_broker.new_topic()
    found = read_topic_limits(settings, [topic])
    assert found in ({}, {topic: found.get(topic)})
