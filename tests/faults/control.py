"""Control measurement: a plain producer and consumer that run next to the workers on a separate topic.

They do almost no work. If they are silent as well, the broker or the machine was too busy to serve any client.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from kafka.errors import KafkaError

from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from tests.brokers.handle import BrokerHandle
from tests.faults.history import assign_whole

PERIOD_S = 0.1
_SETTINGS: Mapping[str, Any] = {"reconnect_backoff_max_ms": 200}


class Control:
    """Control producer and consumer. seen: monotonic times at which records arrived."""

    def __init__(self, handle: BrokerHandle) -> None:
        self._handle = handle
        self._topic = handle.new_topic()
        self.seen: list[float] = []
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=run, name=run.__name__) for run in (self._send, self._read)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        producer = self._handle.producer(linger_ms=0, max_block_ms=1000, **_SETTINGS)
        while not self._closing.wait(PERIOD_S):
            with suppress(KafkaError):  # the broker is unavailable
                producer.send(self._topic, b"x")
        force_close(producer)  # close() would wait for unacknowledged records, or raise

    def _read(self) -> None:
        with self._handle.consumer(fetch_max_wait_ms=50, **_SETTINGS) as consumer:
            assign_whole(consumer, self._topic)
            while not self._closing.is_set():
                with suppress(KafkaError):
                    for records in consumer.poll(timeout_ms=100).values():
                        self.seen += [time.monotonic()] * len(records)
