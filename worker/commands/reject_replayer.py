"""Sends rejected frames again: each one once, complete, and acknowledged."""

from collections import Counter, deque
from typing import Any, Protocol

from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from stripwatch.worker.broker.producers import DELIVERY_S_MAX
from stripwatch.worker.commands.stored_reject import StoredReject
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.contracts.replay_mark import replay_mark_headers
from stripwatch.worker.contracts.topics import REJECTS

_WAITING_BYTES_MAX = 16_000_000
_ACKNOWLEDGEMENT_S_MAX = DELIVERY_S_MAX + 5
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class ReplayProducer(Protocol):
    """The part of KafkaProducer that is used here."""

    def send(self, topic: str, **record: Any) -> Any: ...

    def partitions_for(self, topic: str) -> set[int]: ...


class RejectReplayer:
    """Sends rejected frames with a bound on the bytes in flight. producer None is a dry run.

    replays: number of previous replays of each frame, by the id of its first reject.
    """

    def __init__(
        self,
        producer: ReplayProducer | None,
        topic: str,
        replays_max: int,
        rejects_topic: str = REJECTS,
        replays: Counter[str] | None = None,
    ) -> None:
        self.handed_on = 0
        self._producer = producer
        self._topic = topic
        self._replays_max = replays_max
        self._partitions = producer.partitions_for(topic) if producer else set()
        self._waiting: deque[tuple[StoredReject, Any]] = deque()
        self._waiting_bytes = 0
        self._seen: set[str] = set()
        self._rejects_topic = rejects_topic
        self._replays = replays or Counter()
        self._marks: list[Any] = []
        self._sent = self._refused = self._replayed_before = self._repeats = 0

    def send(self, reject: StoredReject) -> bool:
        """Send a frame again unless it must be skipped; return whether it was passed to the producer.

        Raises BrokerUnavailableError, possibly for a frame sent earlier.
        """
        if max(reject.replays, self._replays[reject.replay_of]) >= self._replays_max:
            self._replayed_before += 1
            return False
        if (
            reject.replay_of in self._seen
        ):  # a frame may be on the topic twice: rejected twice, or rejected again after a replay
            self._repeats += 1
            return False
        self._seen.add(reject.replay_of)
        if reject.fault:
            self._refuse(reject, reject.fault)
            return False
        self.handed_on += 1
        if self._producer is not None:
            self._hand_over(self._producer, reject)
        return True

    def finish(self) -> None:
        """Wait until all frames and marks are acknowledged. Raises BrokerUnavailableError."""
        while self._waiting:
            self._await_oldest()
        for mark in self._marks:
            try:
                mark.get(timeout=_ACKNOWLEDGEMENT_S_MAX)
            except KafkaError as error:
                raise self._unmarked(error) from error

    def summary(self) -> dict[str, int]:
        """Return the counts of frames sent, refused and skipped. A dry run counts "would_send" instead of "sent"."""
        return {
            "sent": self._sent,
            "would_send": 0 if self._producer else self.handed_on,
            "refused": self._refused,
            "replayed_before": self._replayed_before,
            "repeats": self._repeats,
        }

    def _hand_over(self, producer: ReplayProducer, reject: StoredReject) -> None:
        original = reject.original
        place = original.position
        same = place.topic == self._topic and place.partition in self._partitions
        try:
            future = producer.send(
                self._topic,
                value=original.value,
                key=original.key,
                headers=reject.headers_again(),
                partition=place.partition if same else None,
                timestamp_ms=original.timestamp_ms,
            )
        except KafkaError as error:
            self._failed(reject, error)
            return
        self._waiting.append((reject, future))
        self._waiting_bytes += reject.original_bytes
        while self._waiting_bytes > _WAITING_BYTES_MAX:
            self._await_oldest()

    def _await_oldest(self) -> None:
        reject, future = self._waiting.popleft()
        self._waiting_bytes -= reject.original_bytes
        try:
            future.get(timeout=_ACKNOWLEDGEMENT_S_MAX)
        except KafkaError as error:
            self._failed(reject, error)
            return
        self._sent += 1
        self._mark(reject)

    def _mark(self, reject: StoredReject) -> None:
        """Record on the rejects topic that this frame was replayed, so that later replays by any user skip it."""
        assert self._producer is not None  # it has sent the frame
        headers = replay_mark_headers(reject.replay_of)
        try:
            mark = self._producer.send(self._rejects_topic, value=b"", key=reject.camera.encode(), headers=headers)
        except KafkaError as error:
            raise self._unmarked(error) from error
        self._marks.append(mark)

    def _unmarked(self, error: KafkaError) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"{self._sent} frames were sent, but {self._rejects_topic} did not accept all replay marks, so another "
            f"replay may send some frames again: {type(error).__name__}: {error}"
        )

    def _failed(self, reject: StoredReject, error: KafkaError) -> None:
        if not isinstance(error, _TOO_LARGE):
            raise BrokerUnavailableError(
                f"Kafka did not accept {reject.id} after {self._sent} frames: {error}"
            ) from error
        self._refuse(reject, f"its {reject.original_bytes} bytes exceed the message size limit of {self._topic}")

    def _refuse(self, reject: StoredReject, why: str) -> None:
        self._refused += 1
        say(f"not sending {reject.id}: {why}")
