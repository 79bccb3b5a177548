"""Fetches the frame or the evidence image of a defect from Kafka on demand, and re-encodes it as a JPEG."""

import math
import threading
from collections import OrderedDict
from contextlib import ExitStack, suppress
from dataclasses import replace

import structlog
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import cluster_id, from_kafka, open_reader, partition_of
from stripwatch.worker.common.errors import BrokerUnavailableError, FrameRejected, RejectReason
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.frame_headers import original_headers
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.record_fields import RecordFields
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.images.headers.jpeg import END_MARKER
from stripwatch.worker.model.loading.open_model import decode_limits
from stripwatch.worker.observers.annotate import decode_scaled, encode_jpeg

log = structlog.get_logger()
_KEPT = 400
_FETCH_S = 3.0
_QUALITY = 82
_FETCH_BYTES = 4_000  # only one frame is needed: a small fetch returns one batch, not the next hundred


class FrameFetcher:
    """Fetches one picture at a time, for any thread. It reads only the topics of frames, evidence and rejects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = decode_limits(settings.frames)
        self._kept: OrderedDict[tuple[Position, int], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._consumer: KafkaConsumer | None = None

    def picture(self, position: Position, width_px_max: int) -> bytes | None:
        """Return a JPEG at most `width_px_max` wide, or None if the record is gone or cannot be decoded."""
        topics = self._settings.topics
        if position.topic not in (topics.frames, topics.evidence, topics.rejects):
            return None
        key = position, width_px_max
        with self._lock:
            if key not in self._kept:
                made = self._make(position, width_px_max)
                if made is None:
                    return None
                self._kept[key] = made
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def frame(self, position: Position) -> Frame | None:
        """Return a frame with its original bytes and headers, or None if its record is gone.

        Raises BrokerUnavailableError.
        """
        if position.topic != self._settings.topics.frames:
            return None
        with self._lock:
            try:
                record = self._fetch(position)
                if record is None and self._is_kept(position):
                    raise BrokerUnavailableError(f"Kafka did not return {position} within {_FETCH_S:g} s; try again")
                cluster = cluster_id(self._consumer) if self._consumer else ""
            except (KafkaError, BrokerUnavailableError) as error:
                self._close()
                raise BrokerUnavailableError(str(error) or type(error).__name__) from error
        return read_record(record, cluster, received_s=0.0) if record else None

    def close(self) -> None:
        with self._lock:
            self._close()

    def _make(self, position: Position, width_px_max: int) -> bytes | None:
        try:
            record = self._fetch(position)
            if record is None or not record.value:
                return None
            if position.topic == self._settings.topics.rejects:
                layout = RecordFields.of(original_headers(record.headers)).raw_layout()
                return shrink_rejected(record.value, width_px_max, self._limits, layout)
            return shrink(record.value, width_px_max, self._limits, RecordFields.of(record.headers).raw_layout())
        except (KafkaError, BrokerUnavailableError) as error:
            log.warning("cannot fetch picture", position=position, error=str(error))
            self._close()
        except FrameRejected as error:
            log.info("cannot decode picture", position=position, reason=error.reason)
        return None

    def _fetch(self, position: Position) -> Record | None:
        if self._consumer is None:
            client = client_config(self._settings, TOOLS_ID)
            self._consumer = self._open.enter_context(open_reader(client, fetch_bytes_max=_FETCH_BYTES))
        partition = partition_of(position)
        self._consumer.assign([partition])
        try:
            self._consumer.seek(partition, position.offset)  # if it is gone, the oldest record is returned instead
            records = self._consumer.poll(timeout_ms=round(_FETCH_S * 1000), max_records=1).get(partition, [])
        finally:
            self._consumer.unsubscribe()  # otherwise the consumer keeps fetching the records after it
        return next((from_kafka(record) for record in records if record.offset == position.offset), None)

    def _is_kept(self, position: Position) -> bool:
        """Return whether Kafka states that it still has the record."""
        assert self._consumer is not None
        partition = partition_of(position)
        (begin,) = self._consumer.beginning_offsets([partition]).values()
        (end,) = self._consumer.end_offsets([partition]).values()
        return bool(begin <= position.offset < end)

    def _close(self) -> None:
        self._consumer = None
        with suppress(KafkaError):
            self._open.close()


def shrink(encoded: bytes, width_px_max: int, limits: DecodeLimits, layout: RawLayout | None = None) -> bytes:
    """Decode by the worker's rules, scale to at most `width_px_max` with the same aspect ratio, and encode as JPEG.

    Raises FrameRejected.
    """
    return encode_jpeg(decode_scaled(encoded, width_px_max, math.inf, limits, layout), _QUALITY)


def shrink_rejected(encoded: bytes, width_px_max: int, limits: DecodeLimits, layout: RawLayout | None = None) -> bytes:
    """Do the same as `shrink` for a rejected frame, of which as much as possible is decoded, because it is only viewed.

    Raises FrameRejected if nothing of it can be decoded.
    """
    lenient = replace(limits, flags_damaged=True, progressive="accept", side_px_min=1)
    try:
        return shrink(encoded, width_px_max, lenient, layout)
    except FrameRejected as error:
        if error.reason is not RejectReason.TRUNCATED or layout is not None:
            raise
        return shrink(encoded + END_MARKER, width_px_max, lenient)  # a JPEG file without its end
