"""Size limits of topics, as reported by Kafka and as learned from rejected records."""

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.broker import topic_limits
from stripwatch.worker.broker.topic_limits import DEFAULT_BYTES_MAX, TopicLimits, read_topic_limits, record_bytes
from stripwatch.worker.config.loader import load_settings
from tests.brokers.handle import BrokerHandle


def test_a_changed_limit_replaces_a_learned_one() -> None:
    reported = {"rejects": 1000}
    limits = TopicLimits(lambda: reported)
    limits.refresh()
    limits.learn("rejects", 900, 600)
    limits.refresh()
    assert limits.bytes_max("rejects") == 600
    reported["rejects"] = 2000
    limits.refresh()
    assert limits.bytes_max("rejects") == 2000


def test_keeps_the_limit_of_a_topic_that_is_not_reported() -> None:
    answers = iter([{"rejects": 1000, "results": 500}, {"results": 600}])
    limits = TopicLimits(lambda: next(answers))
    limits.refresh()
    limits.refresh()
    assert (limits.bytes_max("rejects"), limits.bytes_max("results"), limits.bytes_max("other")) == (1000, 600, None)
    assert (limits.smallest(), limits.largest()) == (600, 1000)


def test_first_assumes_the_default_of_kafka_for_an_unknown_limit() -> None:
    limits = TopicLimits()
    limits.learn("rejects", 16_000_000, 15_999_000)
    assert limits.bytes_max("rejects") == DEFAULT_BYTES_MAX
    limits.learn("rejects", DEFAULT_BYTES_MAX, 1_000_000)
    assert limits.bytes_max("rejects") == DEFAULT_BYTES_MAX - 500_000


def test_reads_the_limits_of_existing_topics_and_warns_about_a_missing_one(broker: BrokerHandle) -> None:
    settings = load_settings(None, {"bootstrap_servers": broker.bootstrap_servers})
    plain = broker.new_topic(max_message_bytes="2000")
    compressed = broker.new_topic(max_message_bytes="2000", compression_type="gzip")
    small_segments = broker.new_topic(max_message_bytes="2000000", segment_bytes="1048576")
    with capture_logs() as logs:
        limits = read_topic_limits(settings, [plain, compressed, small_segments, "missing"])
    assert limits == {plain: 2000, compressed: 1980, small_segments: 1_048_576}
    assert [log["topics"] for log in logs] == [["missing"]]


@pytest.mark.kafka
def test_apache_kafka_reports_the_default_of_the_broker(apache_broker: BrokerHandle) -> None:
    settings = load_settings(None, {"bootstrap_servers": apache_broker.bootstrap_servers})
    topic = apache_broker.new_topic()
    assert read_topic_limits(settings, [topic]) == {topic: 20_971_520}  # message.max.bytes of the broker


def test_warns_if_the_broker_reports_no_limit(embedded_broker: BrokerHandle) -> None:
    settings = load_settings(None, {"bootstrap_servers": embedded_broker.bootstrap_servers})
    topic = embedded_broker.new_topic()
    with capture_logs() as logs:
        assert read_topic_limits(settings, [topic]) == {}
    assert [log["topics"] for log in logs] == [[topic]]


@pytest.mark.kafka
def test_kafka_accepts_a_record_of_the_computed_size_and_rejects_a_slightly_larger_one(
    apache_broker: BrokerHandle,
) -> None:
    topic = apache_broker.new_topic(max_message_bytes="2000")
    headers = [("name", b"value")]
    body = bytes(2000 - record_bytes(b"key", b"", headers))
    with apache_broker.producer() as producer:
        while record_bytes(b"key", body, headers) > 2000:
            body = body[1:]
        producer.send(topic, body, key=b"key", headers=headers).get(30)
        with pytest.raises(Exception, match="MessageSizeTooLarge"):
            producer.send(topic, body + bytes(50), key=b"key", headers=headers).get(30)


def test_continues_without_limits_if_the_broker_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_limits, "_ASK_S_MAX", 0.3)
    with capture_logs() as logs:
        assert read_topic_limits(load_settings(None, {"bootstrap_servers": "127.0.0.1:1"}), ["results"]) == {}
    assert "learning them from rejected records" in logs[-1]["event"]
