"""Both ends of the line: send numbered frames, and watch for their outcomes."""

import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError, TopicAlreadyExistsError

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.replay_mark import replayed_id
from tests.brokers.handle import BrokerHandle
from tests.faults.batch import giant_batch, produce
from tests.faults.content import encode, reason
from tests.faults.history import assign_whole, frame_of, trace
from tests.faults.judge import Place, SentFrame
from tests.faults.kafka import Kafka
from tests.faults.ledger import Ledger

PARTITIONS = 4
PARTITIONS_OUT = 2
CAMERAS_EACH = 2  # cameras per partition
_DELIVER_S_MAX = 120
TRICKLE_S = 0.25  # interval of extra frames per partition, in addition to the plan
# By default kafka-python waits up to 30 s before it reconnects to a restarted broker.
_SOON = {"reconnect_backoff_max_ms": 200}
_FIRST_S = 15.0  # creating a topic with the name of one that was just deleted


class Sender:
    """Sender of a plan's frames, in order of their numbers; each camera has a fixed partition.

    group: the workers' consumer group. It also sends extra good frames, so that every partition always has frames
    waiting.
    """

    def __init__(self, kafka: Kafka, topic: str, group: str, bad: Sequence[str | None], ledger: Ledger) -> None:
        self._kafka = kafka
        self._topic = topic
        self._group = group
        self._bad = bad
        self._ledger = ledger
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._more = len(bad)  # number of the next extra frame
        self._trickle = threading.Thread(target=self._send_trickle, name="trickle")
        self._producer = self._open()
        self.partitions = PARTITIONS
        self.sent = 0

    def __enter__(self) -> Self:
        self._trickle.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._closing.set()
        self._trickle.join()
        try:
            self._producer.close(timeout=0 if kind else None)
        except KafkaError:  # unsent records remain
            if kind is None:
                raise

    @property
    def left(self) -> int:
        return len(self._bad) - self.sent

    def complete(self, ends: Mapping[int, int]) -> bool:
        """Return whether each frame is in its topic exactly once, by acknowledgements and end offsets."""
        frames, now = self._ledger.frames, self._ledger.generation
        own = Counter(frame.place.partition for frame in frames.values() if frame.place.generation == now)
        return sorted(frames) == list(range(self._more)) and all(own[number] == ends[number] for number in ends)

    def committed(self) -> list[int | None]:
        """Return the group's committed offsets by partition."""
        with self._kafka.handle.consumer(group_id=self._group) as consumer:
            return [consumer.committed(TopicPartition(self._topic, number)) for number in range(self.partitions)]

    def ends(self) -> dict[int, int]:
        """Return the number of frames in each partition of the current topic."""
        partitions = [TopicPartition(self._topic, number) for number in range(self.partitions)]
        with self._kafka.handle.consumer() as consumer:
            return {partition.partition: end for partition, end in consumer.end_offsets(partitions).items()}

    def send(self, count: int) -> None:
        """Send the next `count` frames of the plan, or the remaining ones."""
        with self._lock:
            for number in range(self.sent, self.sent + min(count, self.left)):
                camera = number % (CAMERAS_EACH * self.partitions)
                self._send(number, camera, encode(self._bad, number), reason(self._bad, number))
                self.sent = number + 1

    def send_more(self, count: int) -> None:
        """Send extra frames, partition by partition."""
        with self._lock:
            for camera in range(count):
                self._send(self._more, camera % self.partitions, encode(self._bad, self._more), None)
                self._more += 1

    def send_garbage(self, partition: int, size: int) -> None:
        """Send a frame that is not an image and whose reject may be cut."""
        with self._lock:
            value = struct.pack(">I", 0xBAD0BAD0) + b"\x11\x22\x33\x44" * (size // 4)
            self._send(self._more, partition, value, RejectReason.UNSUPPORTED_FORMAT, cut=True)
            self._more += 1

    def send_giant(self, partition: int, records: int, record_bytes: int) -> None:
        """Send a batch of oversized records, whose rejects contain only the place of the record."""
        with self._lock:
            self._producer.flush(timeout=_DELIVER_S_MAX)
            numbers = range(self._more, self._more + records)
            batch = giant_batch([[trace(number)] for number in numbers], record_bytes, round(time.time() * 1000))
            leader = self._kafka.node(self._kafka.leaders(self._topic)[partition])
            offset = produce(leader.broker.bootstrap_servers, self._topic, partition, batch)
            for place, number in enumerate(numbers, offset):
                at = Place(partition, place, self._ledger.generation)
                self._ledger.add(SentFrame(at, number, b"", RejectReason.TOO_MANY_BYTES), time.monotonic())
            self._more += records

    def recreate_topic(self, settled: Callable[[], Collection[Place]], gone_s: float) -> None:
        """Delete the topic with its records, and create one with the same name after a moment."""
        with self._lock:
            self._flush_and_close()
            with self._kafka.handle.admin() as admin:
                self._ledger.delete_topic(settled(), time.monotonic())
                admin.delete_topics([self._topic])
                time.sleep(gone_s)
                self._create(admin)
            self._producer = self._open()

    def add_partition(self) -> None:
        with self._lock:
            self._flush_and_close()
            with self._kafka.handle.admin() as admin:
                admin.create_partitions({self._topic: self.partitions + 1})
            self.partitions += 1
            self._producer = self._open()

    def flush(self) -> None:
        """Wait until all frames are acknowledged."""
        with self._lock:
            self._producer.flush(timeout=_DELIVER_S_MAX)

    def close(self) -> None:
        """Stop the extra frames, and wait until all frames are acknowledged."""
        self._closing.set()
        self._trickle.join()
        self.flush()

    def _send(self, number: int, camera: int, value: bytes | None, why: str | None, cut: bool = False) -> None:
        partition, generation = camera % self.partitions, self._ledger.generation

        def acknowledge(metadata: Any) -> None:
            at = Place(partition, metadata.offset, generation)
            self._ledger.add(SentFrame(at, number, value or b"", why, cut=cut), time.monotonic())

        self._producer.send(
            self._topic, value, key=f"camera-{camera}".encode(), partition=partition, headers=[trace(number)]
        ).add_callback(acknowledge)

    def _send_trickle(self) -> None:
        while not self._closing.wait(TRICKLE_S):
            if self._lock.acquire(timeout=TRICKLE_S):
                try:
                    self.send_more(self.partitions)
                finally:
                    self._lock.release()

    def _open(self) -> KafkaProducer:
        """Open a producer that writes each frame once, even if the broker is unavailable for up to 2 minutes."""
        return self._kafka.handle.producer(
            acks="all",
            enable_idempotence=True,
            linger_ms=1,
            delivery_timeout_ms=1000 * _DELIVER_S_MAX,
            max_request_size=20_000_000,
            **_SOON,
        )

    def _flush_and_close(self) -> None:
        self._producer.flush(timeout=_DELIVER_S_MAX)
        self._producer.close()

    def _create(self, admin: Any) -> None:
        options = {"num_partitions": self.partitions, "replication_factor": self._kafka.handle.replication}
        deadline_s = time.monotonic() + _FIRST_S
        while True:
            try:
                admin.create_topics({self._topic: options}, wait_for_metadata=True)
                return
            except TopicAlreadyExistsError:  # Kafka has not finished the deletion
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)


class Watcher:
    """Reader of committed results and rejects, in a separate thread until the block ends.

    seen: for each outcome, the place of its frame and the monotonic time of its arrival.
    """

    def __init__(self, handle: BrokerHandle, topics: Topics, ledger: Ledger) -> None:
        self._handle = handle
        self._topics = (topics.results, topics.rejects)
        self._ledger = ledger
        self.settled: set[Place] = set()
        self.seen: list[tuple[Place, float]] = []
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(topic,), name=topic) for topic in self._topics]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, topic: str) -> None:
        with self._handle.consumer(isolation_level="read_committed", fetch_max_wait_ms=50, **_SOON) as consumer:
            assign_whole(consumer, topic)
            while not self._closing.is_set():
                try:
                    batches = consumer.poll(timeout_ms=100)
                except KafkaError:  # the broker is unavailable
                    continue
                for batch in batches.values():
                    events = [record for record in batch if not replayed_id(record.value, record.headers)]
                    self._note([frame_of(record, self._ledger) for record in events])

    def _note(self, places: list[Place]) -> None:
        now_s = time.monotonic()
        self.seen += [(place, now_s) for place in places]
        self.settled.update(places)
