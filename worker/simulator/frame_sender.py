"""Sends captured frames to Kafka. Each frame is acknowledged and recorded in the sent file once, or it is an error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from stripwatch.worker.broker.producers import DELIVERY_S_MAX, INFLIGHT_BYTES_MAX
from stripwatch.worker.common.atomic_files import rename_when_complete
from stripwatch.worker.common.errors import BrokerUnavailableError, InputError, StripwatchError
from stripwatch.worker.contracts.events import Box
from stripwatch.worker.contracts.frame_headers import Headers
from stripwatch.worker.simulator.cameras import CapturedFrame

_ACKNOWLEDGEMENT_S_MAX = DELIVERY_S_MAX + 5  # a producer that exceeds its own limit is broken


class FrameProducer(Protocol):
    """The part of KafkaProducer that is used here."""

    def send(self, topic: str, *, value: bytes, key: bytes, headers: Headers, timestamp_ms: int) -> Any: ...

    def flush(self, timeout: float) -> None: ...


class SentFrame(msgspec.Struct, frozen=True):
    """A line of the sent file: one frame that the broker acknowledged."""

    topic: str
    partition: int
    offset: int
    camera: str
    coil: str
    label: str | None
    file: str | None
    boxes: tuple[Box, ...]


class SentFile:
    """A file of JSON lines, each written completely when its acknowledgement arrives."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines

    def write(self, sent: SentFrame) -> None:
        self._lines.write(msgspec.json.encode(sent) + b"\n")
        self._lines.flush()


@contextmanager
def open_sent_file(path: Path | None) -> Iterator[SentFile | None]:
    """Open the sent file, named NAME.part until the run succeeds. Yields None if `path` is None."""
    if path is None:
        yield None
        return
    with rename_when_complete(path) as part:
        try:
            lines = part.open("wb")
        except OSError as error:
            raise InputError(f"cannot write the sent file {path}: {error.strerror}") from error
        with lines:
            yield SentFile(lines)


class FrameSender:
    """Sends frames through a given producer, whose I/O thread reports each acknowledgement to this object."""

    def __init__(self, producer: FrameProducer, topic: str, sent_file: SentFile | None) -> None:
        self.frames_acknowledged = 0
        self.bytes_acknowledged = 0
        self._producer = producer
        self._topic = topic
        self._sent_file = sent_file
        self._changed = threading.Condition()
        self._inflight_bytes = 0
        self._failure: StripwatchError | None = None

    def send(self, captured: CapturedFrame) -> None:
        """Pass the frame to the producer; block while too many bytes are in flight.

        Raises BrokerUnavailableError or InputError, possibly for a frame sent earlier.
        """
        size = len(captured.image.encoded)
        self._wait_for_room(size)
        try:
            future = self._producer.send(
                self._topic,
                value=captured.image.encoded,
                key=captured.camera.encode(),
                headers=captured.headers(),
                timestamp_ms=int(captured.captured_at.timestamp() * 1000),
            )
        except KafkaError as error:
            raise self._explain(captured, error) from error
        future.add_callback(self._acknowledged, captured)
        future.add_errback(self._refused, captured)

    def finish(self) -> None:
        """Wait until every frame is acknowledged. Raises BrokerUnavailableError or InputError if one is not."""
        try:
            self._producer.flush(timeout=_ACKNOWLEDGEMENT_S_MAX)
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka acknowledged nothing for {_ACKNOWLEDGEMENT_S_MAX:.0f} s") from error
        with self._changed:
            self._raise_failure()
            if self._inflight_bytes:
                raise BrokerUnavailableError(f"{self._inflight_bytes} bytes of frames were never acknowledged by Kafka")

    def _wait_for_room(self, size: int) -> None:
        def has_room() -> bool:
            return not self._inflight_bytes or self._inflight_bytes + size <= INFLIGHT_BYTES_MAX

        with self._changed:
            in_time = self._changed.wait_for(lambda: self._failure or has_room(), timeout=_ACKNOWLEDGEMENT_S_MAX)
            self._raise_failure()
            if not in_time:
                raise BrokerUnavailableError(f"Kafka acknowledged nothing for {_ACKNOWLEDGEMENT_S_MAX:.0f} s")
            self._inflight_bytes += size

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _acknowledged(self, captured: CapturedFrame, record: Any) -> None:
        try:
            self._write_down(captured, record)
        except OSError as error:  # kafka-python would swallow it
            self._fail(InputError(f"cannot write the sent file: {error.strerror}"))
        with self._changed:
            size = len(captured.image.encoded)
            self.frames_acknowledged += 1
            self.bytes_acknowledged += size
            self._inflight_bytes -= size
            self._changed.notify_all()

    def _write_down(self, captured: CapturedFrame, record: Any) -> None:
        if self._sent_file:
            shot = captured.image
            sent = SentFrame(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                camera=captured.camera,
                coil=captured.coil,
                label=shot.label,
                file=shot.file,
                boxes=shot.boxes,
            )
            self._sent_file.write(sent)

    def _refused(self, captured: CapturedFrame, error: BaseException) -> None:
        self._fail(self._explain(captured, error))

    def _fail(self, failure: StripwatchError) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _explain(self, captured: CapturedFrame, error: BaseException) -> StripwatchError:
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            return InputError(
                f"{captured} has {len(captured.image.encoded)} bytes, more than topic {self._topic} accepts "
                "in one message; raise its max.message.bytes ('stripwatch topics --message-bytes-max' for a new topic)"
            )
        return BrokerUnavailableError(f"Kafka did not accept {captured}: {error}")
