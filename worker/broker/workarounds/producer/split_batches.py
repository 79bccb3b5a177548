"""Flushing raises UnknownError when a batch was split.

Version: kafka-python 3.0.12
Symptom: The records of a batch that is too large move to smaller ones; `flush` takes the old batch for failed.
Workaround: Wait for the records themselves.
Shown by: test_flush_fails_where_a_batch_was_split_by_itself
"""

import time
from collections.abc import Collection

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownError
from kafka.future import Future

_CHECK_S = 0.005


def await_acknowledgements(producer: KafkaProducer, futures: Collection[Future], timeout_s: float) -> None:
    """Until each record was acknowledged or has failed. Raises KafkaTimeoutError."""
    deadline_s = time.monotonic() + timeout_s
    try:
        producer.flush(timeout=timeout_s)
    except UnknownError:
        while not all(future.is_done for future in futures):
            if time.monotonic() > deadline_s:
                raise KafkaTimeoutError(f"{timeout_s:g} s have passed") from None
            time.sleep(_CHECK_S)
