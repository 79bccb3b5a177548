"""Consumer with limits on bytes, on both brokers.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import pytest
from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError, KafkaTimeoutError
from kafka.structs import TopicPartition

from stripwatch.worker.broker.workarounds.batches.limits import FetchLimits
from stripwatch.worker.broker.workarounds.batches.record_batches import BoundedBatch
from stripwatch.worker.broker.workarounds.consumer.bounded_consumer import BoundedConsumer
from stripwatch.worker.contracts.positions import DiscardedValue
from tests.brokers.handle import BrokerHandle
from tests.waiting import AWAIT_S_MAX, wait_until

LIMITS = FetchLimits(record_bytes_max=200_000, batch_bytes_max=500_000)


def opened(broker: BrokerHandle, topic: str) -> BoundedConsumer:
    consumer = BoundedConsumer(bootstrap_servers=broker.bootstrap_servers, limits=LIMITS, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    return consumer


def send(broker: BrokerHandle, topic: str, sizes: list[int], partition: int = 0, **options: object) -> None:
    settings = {"max_request_size": 20_000_000, "batch_size": 10_000_000, "linger_ms": 1000} | options
    with broker.producer(**settings) as producer:
        futures = [producer.send(topic, bytes(size), key=b"k", partition=partition) for size in sizes]
        producer.flush()
        for future in futures:
            future.get(timeout=AWAIT_S_MAX)


def polled(consumer: BoundedConsumer, count: int) -> list[list[tuple[int, int, bytes]]]:
    """Return partition, offset and value of the records of each poll that returned some."""
    polls: list[list[tuple[int, int, bytes]]] = []
    while sum(map(len, polls)) < count:
        found = consumer.poll(timeout_ms=round(AWAIT_S_MAX * 1000), max_records=64)
        assert found, f"no records after {polls}"
        polls.append([(r.partition, r.offset, r.value) for records in found.values() for r in records])
    return polls


def test_kafka_python_polls_records_of_any_size(embedded_broker: BrokerHandle) -> None:
    topic = embedded_broker.new_topic()
    send(embedded_broker, topic, [150_000] * 6)
    with embedded_broker.consumer(fetch_max_wait_ms=100, max_partition_fetch_bytes=5_000_000) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        found: dict[TopicPartition, list[object]] = {}
        wait_until(lambda: bool(found.update(consumer.poll(timeout_ms=100)) or found))
    assert len(found[TopicPartition(topic, 0)]) == 6


def test_a_poll_ends_at_the_byte_limit(broker: BrokerHandle) -> None:
    topic = broker.new_topic(3)
    for partition in range(3):
        send(broker, topic, [100_000] * 6, partition)
    consumer = opened(broker, topic)
    try:
        consumer.poll_bytes_max = 250_000
        polls = polled(consumer, 18)
    finally:
        consumer.close()
    assert max(map(len, polls)) == 3
    for partition in range(3):
        offsets = [offset for poll in polls for number, offset, _ in poll if number == partition]
        assert offsets == list(range(6))


def test_discards_a_batch_that_unpacks_to_too_many_bytes_and_reads_the_frames_after_it(broker: BrokerHandle) -> None:
    topic = broker.new_topic()
    send(broker, topic, [150_000] * 20, compression_type="gzip")
    send(broker, topic, [1000] * 3)
    send(broker, topic, [200_001])
    consumer = opened(broker, topic)
    try:
        records = [record for poll in polled(consumer, 24) for record in poll]
    finally:
        consumer.close()
    assert [offset for _, offset, _ in records] == list(range(24))
    discarded = {offset for _, offset, value in records if isinstance(value, DiscardedValue)}
    assert discarded == {*range(20), 23}


def test_reads_the_partition_again_after_an_error_in_a_batch(
    broker: BrokerHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next poll of kafka-python loops forever, because it keeps the finished iterator."""
    topic = broker.new_topic()
    send(broker, topic, [1000] * 5)
    consumer = opened(broker, topic)
    failures = iter([True, True])

    def fail_twice(batch: object) -> bool:
        if next(failures, False):
            raise CorruptRecordError("raised by the test")
        return True

    monkeypatch.setattr(BoundedBatch, "validate_crc", fail_twice)
    try:
        for _ in range(2):
            try:
                while not consumer.poll(timeout_ms=500):
                    pass
            except CorruptRecordError:
                continue
            raise AssertionError("the error was swallowed")
        assert [offset for poll in polled(consumer, 5) for _, offset, _ in poll] == list(range(5))
    finally:
        consumer.close()


def test_raises_if_the_position_is_not_known(embedded_broker: BrokerHandle) -> None:
    topic = embedded_broker.new_topic()
    consumer = opened(embedded_broker, topic)
    partition = TopicPartition(topic, 0)
    try:
        assert KafkaConsumer.position(consumer, partition, timeout_ms=0) is None
        with pytest.raises(KafkaTimeoutError, match=f"the position in {topic}-0 is not known"):
            consumer.position(partition, timeout_ms=0)
        consumer.seek(partition, 5)
        assert consumer.position(partition) == 5
    finally:
        consumer.close()
