"""Ending a transaction, and sending its offsets, blocks without a time limit.

Version: kafka-python 3.0.12
Symptom: A commit hangs while Kafka does not answer; Java gives up after max.block.ms. The commit of offsets to a topic
    that was deleted is repeated: the transaction never ends, and its results are never seen.
Workaround: Raise KafkaTimeoutError after a time, and take offsets of a topic that is gone for committed.
Shown by: test_a_commit_has_no_limit_by_itself, test_offsets_of_a_deleted_topic_are_sent_forever_by_itself
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError, for_code
from kafka.producer.transaction_manager import TxnOffsetCommitHandler


def bound_commits(producer: KafkaProducer, timeout_s: float, is_gone: Callable[[str], bool] = lambda _: False) -> None:
    """From now on these calls of this producer raise KafkaTimeoutError after that time, with Kafka's last answer.

    is_gone: whether a topic was deleted that Kafka does not know. Its offsets mean nothing, so they count as committed.
    """
    manager = producer._transaction_manager
    answers = _Answers(is_gone)
    manager._enqueue_request = partial(_enqueue, manager._enqueue_request, answers)
    for name in ("begin_commit", "send_offsets_to_transaction"):
        setattr(manager, name, partial(_with_limit, answers, getattr(manager, name), timeout_s))


class _Answers:
    """What Kafka says to the requests of a transaction. The sender thread handles them."""

    def __init__(self, is_gone: Callable[[str], bool]) -> None:
        self.error = ""  # the last answer, where it was one
        self._is_gone = is_gone

    def handle(self, handler: Any, handle: Callable[[Any], None], response: Any) -> None:
        codes = [getattr(response, "error_code", 0)]
        if isinstance(handler, TxnOffsetCommitHandler):
            self._pass_gone(response)
            codes = [partition.error_code for topic in response.topics for partition in topic.partitions]
        code = next(filter(None, codes), 0)
        self.error = f"{for_code(code).__name__} to {type(handler.request).__name__}" if code else ""
        handle(response)

    def _pass_gone(self, response: Any) -> None:
        for topic in response.topics:
            for partition in topic.partitions:
                if partition.error_code == UnknownTopicOrPartitionError.errno and self._is_gone(topic.name):
                    partition.error_code = 0


def _enqueue(enqueue: Callable[[Any], None], answers: _Answers, handler: Any) -> None:
    """A request that is tried again comes here again."""
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
                raise KafkaTimeoutError(f"the last answer of Kafka within {timeout_s:g} s was {answers.error}")
            raise KafkaTimeoutError(f"Kafka has not answered for {timeout_s:g} s")
        return True

    result.wait = wait_in_time
    return result
