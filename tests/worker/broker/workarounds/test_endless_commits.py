"""Transactions whose end Kafka never tells. The test that ends in `_by_itself` fails when the workaround can go."""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import CommitFailedError, KafkaTimeoutError
from kafka.producer.transaction_manager import TransactionalRequestResult

from stripwatch.worker.broker.workarounds.endless_commits import bound_commits


def producer_with(result: TransactionalRequestResult, bound_s: float) -> Any:
    """What of a KafkaProducer the calls of a transaction use; each has this result."""
    manager = SimpleNamespace(begin_commit=lambda: result, send_offsets_to_transaction=lambda offsets, group: result)
    producer: Any = SimpleNamespace(_sender=SimpleNamespace(wakeup=lambda: None), _transaction_manager=manager)
    bound_commits(producer, bound_s)
    return producer


def test_a_commit_has_no_limit_by_itself() -> None:
    for call in (KafkaProducer.commit_transaction, KafkaProducer.send_offsets_to_transaction):
        assert "result.wait()" in inspect.getsource(call)


def test_a_commit_without_an_answer_times_out() -> None:
    producer = producer_with(TransactionalRequestResult(), 0.01)
    with pytest.raises(KafkaTimeoutError):
        KafkaProducer.commit_transaction(producer)
    with pytest.raises(KafkaTimeoutError):
        KafkaProducer.send_offsets_to_transaction(producer, {}, None)


def test_an_answer_is_handed_on() -> None:
    done, failed = TransactionalRequestResult(), TransactionalRequestResult()
    done.done()
    failed.done(CommitFailedError())
    KafkaProducer.commit_transaction(producer_with(done, 60))
    with pytest.raises(CommitFailedError):
        KafkaProducer.commit_transaction(producer_with(failed, 60))
