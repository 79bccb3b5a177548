"""Broker behaviour that the worker relies on, the same on the embedded broker and on Apache Kafka."""

from collections.abc import Collection
from typing import Any

import pytest
from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import InvalidProducerEpochError, ProducerFencedError

from stripwatch.worker.broker.workarounds.producer.fixed_linger import set_linger
from tests.brokers.clients import AWAIT_S_MAX, partitions, poll_until, read, write
from tests.brokers.handle import BrokerHandle


def test_a_record_is_read_as_it_was_sent(broker: BrokerHandle) -> None:
    topic = broker.new_topic()
    headers = [("ce_id", b"1"), ("ce_subject", "Stra\u00dfe".encode()), ("bytes", b"\xff\x00"), ("ce_id", b"again")]
    with broker.producer() as producer:
        producer.send(topic, b"value", b"key \xff", headers, timestamp_ms=1_700_000_000_123).get(AWAIT_S_MAX)
        producer.send(topic, None, b"key").get(AWAIT_S_MAX)
        producer.send(topic, b"", None).get(AWAIT_S_MAX)
    full, no_value, empty = read(broker, topic, 3)
    assert (full.key, full.value, full.headers) == (b"key \xff", b"value", headers)
    assert (full.timestamp, full.timestamp_type) == (1_700_000_000_123, 0)
    assert (no_value.key, no_value.value, no_value.headers) == (b"key", None, [])
    assert (empty.key, empty.value) == (None, b"")


def test_an_acknowledgement_has_the_position_of_the_record(broker: BrokerHandle) -> None:
    topic = broker.new_topic(partitions=2)
    with broker.producer() as producer:
        sent = [producer.send(topic, b"x", partition=1).get(AWAIT_S_MAX) for _ in range(3)]
    assert [(record.topic, record.partition, record.offset) for record in sent] == [(topic, 1, n) for n in range(3)]


def test_records_of_a_partition_keep_their_order(broker: BrokerHandle) -> None:
    topic = broker.new_topic()
    write(broker, topic, 500, enable_idempotence=True, linger_ms=1, batch_size=1_000)
    records = read(broker, topic, 500)
    assert [int(record.value) for record in records] == list(range(500))
    assert [record.offset for record in records] == list(range(500))


def test_records_with_the_same_key_share_a_partition(broker: BrokerHandle) -> None:
    topic = broker.new_topic(partitions=4)
    with broker.producer() as producer:
        sent = [producer.send(topic, b"x", b"camera-7").get(AWAIT_S_MAX) for _ in range(5)]
    assert len({record.partition for record in sent}) == 1


def test_the_linger_of_a_running_producer_can_be_changed(broker: BrokerHandle) -> None:
    topic, patience = broker.new_topic(partitions=2), {"linger_ms": 600_000, "delivery_timeout_ms": 700_000}
    with broker.producer(**patience) as producer:
        waits = producer.send(topic, b"0", partition=0)
        set_linger(producer, 0)
        producer.send(topic, b"1", partition=1)  # wakes the sender thread
        assert waits.get(AWAIT_S_MAX).offset == 0


def test_accepts_a_frame_of_many_megabytes(broker: BrokerHandle) -> None:
    topic = broker.new_topic(max_message_bytes="10000000")
    value = bytes(8_000_000)
    with broker.producer(max_request_size=10_000_000) as producer:
        producer.send(topic, value).get(AWAIT_S_MAX)
    assert read(broker, topic, 1)[0].value == value


def test_a_compressed_record_is_read_as_it_was_sent(broker: BrokerHandle) -> None:
    topic = broker.new_topic()
    write(broker, topic, 50, compression_type="gzip", linger_ms=10)
    assert [int(record.value) for record in read(broker, topic, 50)] == list(range(50))


def test_a_cluster_has_an_id(broker: BrokerHandle) -> None:
    with broker.admin() as admin:
        cluster_id = admin.describe_cluster()["cluster_id"]
        assert isinstance(cluster_id, str)
        assert cluster_id == admin.describe_cluster()["cluster_id"] != ""


def test_topics_can_be_listed_and_described(broker: BrokerHandle) -> None:
    topic = broker.new_topic(partitions=3)
    with broker.admin() as admin:
        assert topic in admin.list_topics()
        (description,) = admin.describe_topics([topic])
    assert len(description["partitions"]) == 3


def test_the_lag_is_computed_from_the_high_watermark(broker: BrokerHandle) -> None:
    topic = broker.new_topic()
    partition = TopicPartition(topic, 0)
    write(broker, topic, 7)
    records: list[Any] = []
    with broker.consumer(topic, max_poll_records=2) as consumer:
        poll_until(lambda: len(records) == 2, consumer, into=records)
        assert consumer.highwater(partition) - consumer.position(partition) == 5


def test_a_group_continues_at_its_committed_offsets(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(), broker.new_name("group")
    write(broker, topic, 10)
    records: list[Any] = []
    with broker.consumer(topic, group_id=group) as consumer:
        poll_until(lambda: len(records) >= 10, consumer, into=records)
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(4, "", -1)})
    again: list[Any] = []
    with broker.consumer(topic, group_id=group) as consumer:
        poll_until(lambda: len(again) >= 6, consumer, into=again)
        assert consumer.committed(TopicPartition(topic, 0)) == 4
    assert [record.offset for record in again] == [4, 5, 6, 7, 8, 9]


def test_two_members_share_the_partitions(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(partitions=2), broker.new_name("group")
    with broker.consumer(topic, group_id=group) as first:
        poll_until(lambda: first.assignment() == partitions(topic, 2), first)
        with broker.consumer(topic, group_id=group) as second:
            poll_until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
            assert first.assignment() | second.assignment() == partitions(topic, 2)
        poll_until(lambda: first.assignment() == partitions(topic, 2), first)


def test_paused_partitions_lose_no_records(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(partitions=2), broker.new_name("group")
    write(broker, topic, 20, partition=0)
    records: list[Any] = []
    with broker.consumer(topic, group_id=group, max_poll_records=3) as consumer:
        poll_until(lambda: len(records) == 3, consumer, into=records)
        consumer.pause(*consumer.assignment())
        write(broker, topic, 5, partition=1)
        assert [consumer.poll(timeout_ms=50) for _ in range(5)] == [{}] * 5
        consumer.resume(*consumer.paused())
        poll_until(lambda: len(records) == 25, consumer, into=records)
    assert sorted((record.partition, record.offset) for record in records) == [
        *((0, offset) for offset in range(20)),
        *((1, offset) for offset in range(5)),
    ]


def test_the_client_drops_records_if_only_one_partition_is_paused(broker: BrokerHandle) -> None:
    """A fault of kafka-python 3.0.12; therefore pause and resume all partitions together, as in the test above.

    Fetched records of a paused partition are returned only until records of another partition replace them.
    """
    topic = broker.new_topic(partitions=2)
    stuck, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    write(broker, topic, 20, partition=stuck.partition)
    records: list[Any] = []
    with broker.consumer(max_poll_records=3) as consumer:
        consumer.assign([stuck, other])
        poll_until(lambda: len(records) == 3, consumer, into=records)
        consumer.pause(stuck)
        for _ in range(2):  # after resume, polls continue but return no records
            records.clear()
            write(broker, topic, 5, partition=other.partition)
            poll_until(lambda: len(records) == 5, consumer, into=records)
            consumer.resume(stuck)
        assert {record.partition for record in records} == {other.partition}


class CommitOnRevoke(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Listener that commits finished records before the partitions are revoked."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self.consumer = consumer
        self.done: dict[TopicPartition, OffsetAndMetadata] = {}
        self.committed: list[TopicPartition] = []

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        offsets = {partition: self.done[partition] for partition in revoked if partition in self.done}
        await self.consumer.commit_async(offsets)
        self.committed += offsets

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        pass


@pytest.mark.long
@pytest.mark.kafka
def test_a_member_can_commit_while_its_partitions_are_revoked(apache_broker: BrokerHandle) -> None:
    """Only on Apache Kafka: on a busy machine the embedded broker may rebalance such a group endlessly (3 of 25)."""
    broker = apache_broker
    topic, group = broker.new_topic(partitions=2), broker.new_name("group")
    for partition in partitions(topic, 2):
        write(broker, topic, 10, partition=partition.partition)
    records: list[Any] = []
    repeats: list[Any] = []
    # The first closes first: a listener that commits while its own group rebalances gets RebalanceInProgressError.
    with broker.consumer(topic, group_id=group) as second, broker.consumer(group_id=group) as first:
        listener = CommitOnRevoke(first)
        first.subscribe([topic], listener=listener)
        poll_until(lambda: len(records) == 20, first, into=records)
        listener.done = {partition: OffsetAndMetadata(10, "", -1) for partition in partitions(topic, 2)}
        poll_until(lambda: len(second.assignment()) == 1, first, second, into=repeats)
        (moved,) = second.assignment()
        assert moved in listener.committed
        write(broker, topic, 1, partition=moved.partition)
        poll_until(lambda: len(repeats) > 0, first, second, into=repeats)
        listener.done.clear()  # the group may rebalance again, and then a commit during close is rejected
    assert [(record.partition, record.offset) for record in repeats] == [(moved.partition, 10)]


def test_results_and_offsets_are_committed_together(broker: BrokerHandle) -> None:
    frames, results, group = broker.new_topic(), broker.new_topic(), broker.new_name("group")
    write(broker, frames, 3)
    records: list[Any] = []
    with (
        broker.consumer(frames, group_id=group, isolation_level="read_committed") as consumer,
        broker.producer(transactional_id=broker.new_name("worker")) as producer,
    ):
        poll_until(lambda: len(records) == 3, consumer, into=records)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(results, b"result")
        offsets = {TopicPartition(frames, 0): OffsetAndMetadata(3, "", -1)}
        producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
        producer.commit_transaction()
        assert consumer.committed(TopicPartition(frames, 0)) == 3
    assert [record.value for record in read(broker, results, 1, isolation_level="read_committed")] == [b"result"]


def test_a_fenced_producer_cannot_send(broker: BrokerHandle) -> None:
    topic, worker = broker.new_topic(), broker.new_name("worker")
    with broker.producer(transactional_id=worker) as zombie, broker.producer(transactional_id=worker) as heir:
        zombie.init_transactions()
        zombie.begin_transaction()
        zombie.send(topic, b"before").get(AWAIT_S_MAX)
        heir.init_transactions()
        sent = zombie.send(topic, b"after")
        with pytest.raises((InvalidProducerEpochError, ProducerFencedError)):
            sent.get(AWAIT_S_MAX)
