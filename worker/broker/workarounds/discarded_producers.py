"""A workaround: a thread in `send` of kafka-python 3.0.12 is not freed when another thread closes the producer.

It waits for the metadata of a topic, which nobody fetches any more, until max_block_ms is over; or it ends with
RuntimeError('NetworkSelector closed!'), which is not a KafkaError. Java wakes it with a KafkaException.
The day kafka-python does too, `tests/worker/broker/workarounds/test_discarded_producers.py` fails, and this file can
go.
"""

from typing import Any

from kafka import KafkaProducer
from kafka.errors import IllegalStateError
from kafka.future import Future


def refuse_metadata(producer: KafkaProducer) -> None:
    """From now on whoever would wait for metadata of this producer gets an IllegalStateError."""
    producer._metadata.request_update = _refused


def free_waiting(producer: KafkaProducer) -> None:
    """Free the threads that wait already. Called when the producer's own thread has ended."""
    metadata = producer._metadata
    with metadata._lock:
        waiting = metadata._future
    if waiting is not None and not waiting.is_done:
        waiting.failure(_discarded())


def is_discarded(producer: KafkaProducer) -> bool:
    return producer._metadata.request_update is _refused


def send_or_fail(producer: KafkaProducer, topic: str, body: bytes, **record: Any) -> Future:
    """KafkaProducer.send, of which a discarded producer raises KafkaError alone."""
    try:
        return producer.send(topic, body, **record)
    except (RuntimeError, OSError) as error:
        if is_discarded(producer):
            raise _discarded() from error
        raise


def _refused() -> Future:
    return Future().failure(_discarded())


def _discarded() -> IllegalStateError:
    return IllegalStateError("the producer was discarded")
