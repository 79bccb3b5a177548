"""A record that times out does not report the errors for which it was retried.

Version: kafka-python 3.0.12
Symptom: "Expiring 1 record(s)" may mean too few replicas, a missing leader, or a deleted topic. Only the library's log
    has the reason.
Workaround: Add the last error to the timeout error.
Shown by: test_kafka_python_does_not_state_the_cause_of_a_timeout
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError


def keep_causes(producer: KafkaProducer) -> None:
    """Make timeout errors of records of this producer name the last error that caused a retry."""
    sender = producer._sender
    sender._can_retry = partial(_can_retry, sender._can_retry)
    sender._complete_batch_with_exception = partial(_complete, sender._complete_batch_with_exception)


def _can_retry(can_retry: Callable[[Any, type], bool], batch: Any, error: type) -> bool:
    batch.last_error = error.__name__
    return can_retry(batch, error)


def _complete(complete: Callable[[Any, Any], None], batch: Any, error: Any) -> None:
    cause = getattr(batch, "last_error", None)
    if isinstance(error, KafkaTimeoutError) and cause:
        error = KafkaTimeoutError(f"{error}; the last error was {cause}")
    complete(batch, error)
