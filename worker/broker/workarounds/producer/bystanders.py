"""The error of one batch fails every record that waits behind it.

Version: kafka-python 3.0.12
Symptom: A record of 800 bytes fails as "too large", because another one was. A batch of which several records are
    invalid fails with InvalidRecordError, whatever the broker's reason was. Java tells these records apart.
Workaround: Fail the other records with a BystanderError.
Shown by: test_one_error_is_that_of_all_records_by_itself
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
