"""Sends the frames of rejects again, and keeps account: each once, whole, and acknowledged."""

from collections import deque
from typing import Any, Protocol

from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from stripwatch.worker.broker.producers import DELIVERY_S_MAX
from stripwatch.worker.commands.stored_reject import StoredReject
from stripwatch.worker.common.console import say
from stripwatch.worker.common.errors import BrokerUnavailableError

_WAITING_BYTES_MAX = 16_000_000
_ACKNOWLEDGEMENT_S_MAX = DELIVERY_S_MAX + 5
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class ReplayProducer(Protocol):
    """What of KafkaProducer is used here."""

    def send(self, topic: str, **record: Any) -> Any: ...

    def partitions_for(self, topic: str) -> set[int]: ...


class RejectReplayer:
    """Waits for the oldest acknowledgement while too many bytes are on their way. producer None: a dry run."""

    def __init__(self, producer: ReplayProducer | None, topic: str, replays_max: int) -> None:
        self.handed_on = 0
        self._producer = producer
        self._topic = topic
        self._replays_max = replays_max
        self._partitions = producer.partitions_for(topic) if producer else set()
        self._waiting: deque[tuple[StoredReject, Any]] = deque()
        self._waiting_bytes = 0
        self._seen: set[str] = set()
        self._sent = self._refused = self._replayed_before = self._repeats = 0

    def send(self, reject: StoredReject) -> bool:
        """Whether the frame was handed on. Raises BrokerUnavailableError, also for a frame handed on earlier."""
        if reject.replays >= self._replays_max:
            self._replayed_before += 1
            return False
        if reject.replay_of in self._seen:  # one frame may lie there twice: rejected twice, or once more after a replay
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
        """Wait until all of them are acknowledged."""
        while self._waiting:
            self._await_oldest()

    def summary(self) -> dict[str, int]:
        """handed_on is what was sent, or in a dry run what would be."""
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
            self._sent += 1
        except KafkaError as error:
            self._failed(reject, error)

    def _failed(self, reject: StoredReject, error: KafkaError) -> None:
        if not isinstance(error, _TOO_LARGE):
            raise BrokerUnavailableError(
                f"Kafka did not take {reject.id} after {self._sent} frames: {error}"
            ) from error
        self._refuse(reject, f"its {reject.original_bytes} bytes are more than {self._topic} takes in one message")

    def _refuse(self, reject: StoredReject, why: str) -> None:
        self._refused += 1
        say(f"{reject.id} is not sent: {why}")
