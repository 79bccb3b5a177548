"""The two ends of the line: numbered frames in, and an eye on how many of them are settled."""

import threading
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from stripwatch.worker.config.sections import Topics
from tests.brokers.handle import BrokerHandle
from tests.faults.history import NUMBER, assign_whole, frame_of
from tests.faults.judge import Place
from tests.faults.plan import Plan, encode

PARTITIONS = 4
CAMERAS = 8  # two a partition
_DELIVER_S_MAX = 120
_SOON = {"reconnect_backoff_max_ms": 500}  # kafka-python would wait up to 30 s for a broker that is back


class Sender:
    """Sends the frames of a plan in the order of their numbers; a camera keeps to its partition."""

    def __init__(self, producer: KafkaProducer, topic: str, plan: Plan) -> None:
        self._producer = producer
        self._topic = topic
        self._plan = plan
        self.sent = 0

    @classmethod
    def on(cls, handle: BrokerHandle, topic: str, plan: Plan) -> Self:
        """It writes each frame once, however long the broker is away within 2 minutes."""
        producer = handle.producer(
            acks="all", enable_idempotence=True, linger_ms=1, delivery_timeout_ms=1000 * _DELIVER_S_MAX, **_SOON
        )
        return cls(producer, topic, plan)

    @property
    def left(self) -> int:
        return len(self._plan.bad) - self.sent

    def send(self, count: int) -> None:
        """The next `count` frames, or what is left."""
        for number in range(self.sent, self.sent + min(count, self.left)):
            camera = number % CAMERAS
            self._producer.send(
                self._topic,
                encode(self._plan, number),
                key=f"camera-{camera}".encode(),
                partition=camera % PARTITIONS,
                headers=[(NUMBER, str(number).encode())],
            )
            self.sent = number + 1

    def close(self) -> None:
        """Until all is acknowledged."""
        self._producer.flush(timeout=_DELIVER_S_MAX)
        self._producer.close()


class Watcher:
    """Reads committed results and rejects in a thread of its own until the block ends."""

    def __init__(self, handle: BrokerHandle, topics: Topics) -> None:
        self._handle = handle
        self._topics = (topics.results, topics.rejects)
        self._settled: set[Place] = set()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(topic,), name=topic) for topic in self._topics]

    @property
    def settled(self) -> int:
        """Frames that have come out."""
        return len(self._settled)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, topic: str) -> None:
        with self._handle.consumer(isolation_level="read_committed", **_SOON) as consumer:
            assign_whole(consumer, topic)
            while not self._closing.is_set():
                try:
                    batches = consumer.poll(timeout_ms=100)
                except KafkaError:  # the broker is away
                    continue
                self._settled.update(frame_of(record) for batch in batches.values() for record in batch)
