"""Transactions whose end Kafka does not confirm.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import CommitFailedError, KafkaTimeoutError, NotCoordinatorError, UnknownTopicOrPartitionError
from kafka.producer.transaction_manager import (
    EndTxnHandler,
    TransactionalRequestResult,
    TransactionManager,
    TxnOffsetCommitHandler,
)
from kafka.protocol.producer import EndTxnResponse, TxnOffsetCommitResponse
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.workarounds.producer.endless_commits import bound_commits


def producer_with(result: TransactionalRequestResult, bound_s: float) -> Any:
    """Return the parts of a KafkaProducer that transaction calls use. Each call has this result."""
    manager = SimpleNamespace(
        begin_commit=lambda: result,
        send_offsets_to_transaction=lambda offsets, group: result,
        _enqueue_request=lambda request: None,
    )
    producer: Any = SimpleNamespace(_sender=SimpleNamespace(wakeup=lambda: None), _transaction_manager=manager)
    bound_commits(producer, bound_s)
    return producer


def test_kafka_python_commits_without_a_time_limit() -> None:
    for call in (KafkaProducer.commit_transaction, KafkaProducer.send_offsets_to_transaction):
        assert "result.wait()" in inspect.getsource(call)


def test_a_commit_without_an_answer_times_out() -> None:
    producer = producer_with(TransactionalRequestResult(), 0.01)
    with pytest.raises(KafkaTimeoutError):
        KafkaProducer.commit_transaction(producer)
    with pytest.raises(KafkaTimeoutError):
        KafkaProducer.send_offsets_to_transaction(producer, {}, None)


def test_passes_the_answer_on() -> None:
    done, failed = TransactionalRequestResult(), TransactionalRequestResult()
    done.done()
    failed.done(CommitFailedError())
    KafkaProducer.commit_transaction(producer_with(done, 60))
    with pytest.raises(CommitFailedError):
        KafkaProducer.commit_transaction(producer_with(failed, 60))


UNKNOWN = UnknownTopicOrPartitionError.errno
FRAMES = (TopicPartition("frames", 0), TopicPartition("frames", 1))


class Offsets:
    """Offsets of two partitions that a transaction sends."""

    def __init__(self, bound_s: float = 60.0, gone: set[str] | None = None, bound: bool = True) -> None:
        self.manager = TransactionManager(transactional_id="line")
        self.producer: Any = SimpleNamespace(_sender=SimpleNamespace(wakeup=lambda: None))
        self.producer._transaction_manager = self.manager
        self.result = TransactionalRequestResult()
        self.manager.send_offsets_to_transaction = lambda offsets, group: self.result
        if bound:
            bound_commits(self.producer, bound_s, lambda topic: topic in (gone or ()))
        pending = self.manager._pending_txn_offset_commits
        pending |= {partition: OffsetAndMetadata(7, "", -1) for partition in FRAMES}
        self.handler = TxnOffsetCommitHandler(self.manager, ConsumerGroupMetadata("g"), pending, self.result)
        self.manager._enqueue_request(self.handler)

    def answer(self, *codes: int) -> None:
        topic_type = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic
        partition_type = topic_type.TxnOffsetCommitResponsePartition
        partitions = [partition_type(partition_index=at, error_code=c, version=3) for at, c in enumerate(codes)]
        topics = [topic_type(name="frames", partitions=partitions, version=3)]
        self.handler.handle_response(TxnOffsetCommitResponse(topics=topics, version=3))

    def send(self) -> None:
        KafkaProducer.send_offsets_to_transaction(self.producer, {}, None)


def test_kafka_python_sends_offsets_of_a_deleted_topic_forever() -> None:
    offsets = Offsets(bound=False)
    offsets.answer(UNKNOWN, UNKNOWN)
    assert not offsets.result.is_done
    assert len(offsets.manager._pending_requests) == 2


def test_counts_offsets_of_a_deleted_topic_as_committed() -> None:
    offsets = Offsets(gone={"frames"})
    offsets.answer(UNKNOWN, 0)
    offsets.send()
    assert offsets.manager._pending_txn_offset_commits == {}


def test_sends_offsets_again_if_only_one_broker_does_not_know_the_topic() -> None:
    offsets = Offsets(gone={"another"})
    offsets.answer(UNKNOWN, 0)
    assert not offsets.result.is_done
    assert set(offsets.manager._pending_txn_offset_commits) == {FRAMES[0]}
    offsets.answer(0)
    offsets.send()


def test_leaves_other_errors_of_a_deleted_topic_to_the_client() -> None:
    offsets = Offsets(gone={"frames"})
    offsets.answer(NotCoordinatorError.errno, UNKNOWN)
    assert not offsets.result.is_done


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((), "Kafka did not answer within 0.01 s"),
        ((UNKNOWN, 0), "was UnknownTopicOrPartitionError to TxnOffsetCommitRequest"),
    ],
)
def test_the_error_states_the_last_answer(codes: tuple[int, ...], message: str) -> None:
    offsets = Offsets(0.01)
    waiting = offsets.manager.send_offsets_to_transaction({}, None)
    if codes:
        offsets.answer(*codes)
    with pytest.raises(KafkaTimeoutError, match=message):
        waiting.wait()


def test_the_error_states_the_answer_to_another_request() -> None:
    offsets = Offsets(0.01)
    waiting = offsets.manager.send_offsets_to_transaction({}, None)
    end = EndTxnHandler(offsets.manager, True)
    offsets.manager._enqueue_request(end)
    end.handle_response(EndTxnResponse(error_code=NotCoordinatorError.errno, version=3))
    with pytest.raises(KafkaTimeoutError, match="was NotCoordinatorError to EndTxnRequest"):
        waiting.wait()
