"""Flushing raises UnknownError if a batch was split.

Version: kafka-python 3.0.12
Symptom: The records of a batch that is too large move to smaller batches; `flush` treats the old batch as failed.
Workaround: Wait for the records themselves.
Shown by: test_kafka_python_fails_to_flush_after_a_split
"""

import time
from collections.abc import Collection

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownError
from kafka.future import Future

_CHECK_S = 0.005


def await_acknowledgements(producer: KafkaProducer, futures: Collection[Future], timeout_s: float) -> None:
    """Wait until each record is acknowledged or has failed. Raises KafkaTimeoutError."""
    deadline_s = time.monotonic() + timeout_s
    try:
        producer.flush(timeout=timeout_s)
    except UnknownError:
        while not all(future.is_done for future in futures):
            if time.monotonic() > deadline_s:
                raise KafkaTimeoutError(f"records were not acknowledged within {timeout_s:g} s") from None
            time.sleep(_CHECK_S)
