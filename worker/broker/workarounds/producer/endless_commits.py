"""Ending a transaction, and sending its offsets, blocks without a time limit.

Version: kafka-python 3.0.12
Symptom: A commit hangs while Kafka does not answer; Java gives up after max.block.ms. Offsets of a deleted topic are
    sent again and again: the transaction never ends, and its results never become visible.
Workaround: Raise KafkaTimeoutError after a time limit, and treat offsets of a deleted topic as committed.
Shown by: test_kafka_python_commits_without_a_time_limit, test_kafka_python_sends_offsets_of_a_deleted_topic_forever
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError, for_code
from kafka.producer.transaction_manager import TxnOffsetCommitHandler


def bound_commits(producer: KafkaProducer, timeout_s: float, is_gone: Callable[[str], bool] = lambda _: False) -> None:
    """Make the calls that end a transaction or send its offsets raise KafkaTimeoutError after a time limit.

    Args:
        producer: Transactional producer.
        timeout_s: Time limit in seconds. The error states Kafka's last answer.
        is_gone: Returns whether a topic that Kafka does not know was deleted. Its offsets are meaningless, so they
            count as committed.
    """
    manager = producer._transaction_manager
    answers = _Answers(is_gone)
    manager._enqueue_request = partial(_enqueue, manager._enqueue_request, answers)
    for name in ("begin_commit", "send_offsets_to_transaction"):
        setattr(manager, name, partial(_with_limit, answers, getattr(manager, name), timeout_s))


class _Answers:
    """Observes the answers to requests of a transaction, on the sender thread.

    Attributes:
        error: Last answer, if it was an error; else empty.
    """

    def __init__(self, is_gone: Callable[[str], bool]) -> None:
        self.error = ""
        self._is_gone = is_gone

    def handle(self, handler: Any, handle: Callable[[Any], None], response: Any) -> None:
        codes = [getattr(response, "error_code", 0)]
        if isinstance(handler, TxnOffsetCommitHandler):
            self._accept_deleted(response)
            codes = [partition.error_code for topic in response.topics for partition in topic.partitions]
        code = next(filter(None, codes), 0)
        self.error = f"{for_code(code).__name__} to {type(handler.request).__name__}" if code else ""
        handle(response)

    def _accept_deleted(self, response: Any) -> None:
        """Count offsets of deleted topics as committed."""
        for topic in response.topics:
            for partition in topic.partitions:
                if partition.error_code == UnknownTopicOrPartitionError.errno and self._is_gone(topic.name):
                    partition.error_code = 0


def _enqueue(enqueue: Callable[[Any], None], answers: _Answers, handler: Any) -> None:
    """Observe the answers to a request. A retried request is queued again, so it may already be observed."""
    if "handle_response" not in vars(handler):
        handler.handle_response = partial(answers.handle, handler, handler.handle_response)
    enqueue(handler)


def _with_limit(answers: _Answers, begin: Callable[..., Any], timeout_s: float, *arguments: Any) -> Any:
    answers.error = ""
    result = begin(*arguments)
    wait = result.wait

    def wait_in_time(timeout_ms: float | None = None) -> bool:
        if not wait(1000 * timeout_s if timeout_ms is None else timeout_ms):
            if answers.error:
                raise KafkaTimeoutError(
                    f"timed out after {timeout_s:g} s; the last answer of Kafka was {answers.error}"
                )
            raise KafkaTimeoutError(f"Kafka did not answer within {timeout_s:g} s")
        return True

    result.wait = wait_in_time
    return result
