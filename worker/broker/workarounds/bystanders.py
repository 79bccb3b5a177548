"""A workaround: kafka-python 3.0.12 gives the error of one batch to every record that waits behind it.

A record of 800 bytes then fails as "too large", because another one was. And a batch of which several records are
invalid fails with InvalidRecordError, whatever the broker's reason was. Java tells these records apart.
The day kafka-python does too, `tests/worker/broker/workarounds/test_bystanders.py` fails, and this file can go.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError


class BystanderError(KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """The producer gave this record up because of another one, or because it failed as a whole.

    cause: the producer's error. It says nothing about this record.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the producer failed before it could send this record: {type(cause).__name__}: {cause}")
        self.cause = cause


def mark_bystanders(producer: KafkaProducer) -> None:
    """From now on a record of this producer fails with a BystanderError unless the broker refused the record itself."""
    accumulator = producer._accumulator
    for name in ("abort_batches", "abort_undrained_batches"):
        setattr(accumulator, name, partial(_abort, getattr(accumulator, name)))
    producer._sender._record_exceptions_fn = _errors_of_a_batch


def _abort(abort: Callable[[BaseException], None], error: BaseException) -> None:
    abort(error if isinstance(error, BystanderError) else BystanderError(error))


def _errors_of_a_batch(
    error: Exception, record_errors: Collection[Any], message: str | None
) -> Callable[[int], BaseException]:
    """The error of each record, by its place in the batch. record_errors: of the records that the broker refused."""
    refused = dict(record_errors)

    def of_record(place: int) -> BaseException:
        if not refused:
            return error
        return type(error)(refused[place] or message) if place in refused else BystanderError(error)

    return of_record
