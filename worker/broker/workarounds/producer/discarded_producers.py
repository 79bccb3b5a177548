"""A producer that is closed without waiting keeps sending, and does not release threads blocked in `send`.

Version: kafka-python 3.0.12
Symptom: `close(timeout=0)` raises if records are left, and leaves its thread sending. A thread in `send` waits until
    max_block_ms expires for metadata that are no longer fetched; or it fails with
    RuntimeError('NetworkSelector closed!'), which is not a KafkaError. Java wakes it with a KafkaException.
Workaround: Stop the sender thread, and fail the threads that wait for metadata.
Upstream: dpkp/kafka-python#2542 makes a `send` that starts after `close` raise at once; these calls started before.
Shown by: test_kafka_python_keeps_sending_after_close_but_not_after_force_close,
    test_kafka_python_does_not_release_a_caller
"""

from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka.errors import IllegalStateError, KafkaError
from kafka.future import Future

_DISCARD_S_MAX = 5.0


def force_close(producer: KafkaProducer) -> None:
    """Close a producer without waiting for queued records: their futures fail, and nothing more is sent.

    Threads that are blocked in one of its calls get a KafkaError.
    """
    producer._metadata.request_update = _refused  # for threads that request metadata from now on
    producer._sender.force_close()
    producer._sender.join(_DISCARD_S_MAX)
    _fail_waiting(producer)
    with suppress(KafkaError):
        producer.close(timeout=0)


def _fail_waiting(producer: KafkaProducer) -> None:
    """Fail the threads that already wait for metadata. Call after the sender thread has ended."""
    metadata = producer._metadata
    with metadata._lock:
        waiting = metadata._future
    if waiting is not None and not waiting.is_done:
        waiting.failure(_discarded())


def is_discarded(producer: KafkaProducer) -> bool:
    """Return whether `force_close` was called."""
    return producer._metadata.request_update is _refused


def send_or_fail(producer: KafkaProducer, topic: str, body: bytes, **record: Any) -> Future:
    """Call `KafkaProducer.send`. For a discarded producer every error is a KafkaError."""
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
