"""The error of one batch fails every record that waits behind it.

Version: kafka-python 3.0.12
Symptom: A record of 800 bytes fails as "too large" because another one was. A batch with several invalid records fails
    with InvalidRecordError, regardless of the broker's reason. Java distinguishes these records.
Workaround: Fail the other records with a BystanderError.
Shown by: test_kafka_python_gives_one_error_to_all_records
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError


class BystanderError(KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """The producer gave up this record because another one failed, or because the whole producer failed.

    Attributes:
        cause: Error of the producer, which is not about this record.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the producer failed before it could send this record: {type(cause).__name__}: {cause}")
        self.cause = cause


def mark_bystanders(producer: KafkaProducer) -> None:
    """Make records of this producer fail with a BystanderError unless the broker refused the record itself."""
    accumulator = producer._accumulator
    for name in ("abort_batches", "abort_undrained_batches"):
        setattr(accumulator, name, partial(_abort, getattr(accumulator, name)))
    producer._sender._record_exceptions_fn = _errors_of_a_batch


def _abort(abort: Callable[[BaseException], None], error: BaseException) -> None:
    abort(error if isinstance(error, BystanderError) else BystanderError(error))


def _errors_of_a_batch(
    error: Exception, record_errors: Collection[Any], message: str | None
) -> Callable[[int], BaseException]:
    """Return a function from the index of a record to its error. record_errors: records that the broker refused."""
    refused = dict(record_errors)

    def of_record(index: int) -> BaseException:
        if not refused:
            return error
        return type(error)(refused[index] or message) if index in refused else BystanderError(error)

    return of_record
