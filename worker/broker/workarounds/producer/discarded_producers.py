"""A producer that is closed without waiting continues sending, and does not free the threads in its `send`.

Version: kafka-python 3.0.12
Symptom: close(timeout=0) raises while records are left over, and leaves the thread sending. A thread in `send` waits
    for metadata that nobody fetches any more, until max_block_ms is over; or it ends with
    RuntimeError('NetworkSelector closed!'), which is not a KafkaError. Java wakes it with a KafkaException.
Workaround: Stop the thread that sends, and fail whoever waits for metadata.
Upstream: dpkp/kafka-python#2542 raises at once from a `send` that begins after `close`; these began before.
Shown by: test_a_closed_client_continues_sending_by_itself_and_not_when_discarded,
    test_a_caller_continues_waiting_by_itself
"""

from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka.errors import IllegalStateError, KafkaError
from kafka.future import Future

_DISCARD_S_MAX = 5.0


def force_close(producer: KafkaProducer) -> None:
    """End a producer without waiting for what it still holds: each of its futures fails, and it sends nothing more.

    A thread that is in one of its calls gets a KafkaError.
    """
    producer._metadata.request_update = _refused  # for whoever would wait for metadata from now on
    producer._sender.force_close()
    producer._sender.join(_DISCARD_S_MAX)
    _free_waiting(producer)
    with suppress(KafkaError):
        producer.close(timeout=0)


def _free_waiting(producer: KafkaProducer) -> None:
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
