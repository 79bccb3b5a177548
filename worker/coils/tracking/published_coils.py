"""Summaries that are already on Kafka. A coil that is read again after a restart continues its summary."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

import msgspec

from stripwatch.worker.coils.tracking.camera_clocks import CameraKey, KnownDelay
from stripwatch.worker.coils.tracking.coil_part import CoilPart, EventSource
from stripwatch.worker.contracts.coil_summary import CoilSummary, Ended, OffsetSpan
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.monitoring.coil_metrics import SILENT_CAMERA

Key = tuple[str | None, str | None]  # line and coil


@dataclass(frozen=True, slots=True)
class Published:
    """The newest summary with one id.

    behind_ms: minimum delay of the clocks of all its cameras. cameras: cameras that sent frames or were expected to.
    offsets: its records by partition. digest: digest of its content without its id. final: it can no longer be
    corrected, because not all of its records are read again, it is a supplement, or an older version wrote it without
    stating its records.
    """

    id: str
    revision: int
    first_ms: int
    last_ms: int
    behind_ms: int
    ended: Ended | None
    cameras: frozenset[str]
    faults: frozenset[str]
    offsets: Mapping[str, OffsetSpan]
    digest: bytes
    supplement: bool
    final: bool

    def has(self, source: EventSource, captured_ms: int) -> bool:
        """Return whether the frame of this record is counted in the summary."""
        span = self.offsets.get(source.partition.name)
        in_time = self.first_ms <= captured_ms <= self.last_ms
        return span is not None and span.first <= source.offset <= span.last and in_time


class PublishedCoils:
    """The published summaries by line and coil.

    cameras_seen: the cameras that sent frames, per part of a coil. delays: known delays of camera clocks. starts: start
    offset of this run by partition; None if everything is read again.
    """

    def __init__(self, starts: Mapping[str, int] | None = None) -> None:
        self.cameras_seen: list[tuple[Key, set[str]]] = []
        self.delays: dict[CameraKey, KnownDelay] = {}
        self._starts = starts
        self._by_key: OrderedDict[Key, dict[str, Published]] = OrderedDict()

    def add(self, summary: CoilSummary) -> None:
        """Add a summary from Kafka. Raises ValueError for an invalid time."""
        first_ms, last_ms = parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
        delays = {name: of.delay_ms_min for name, of in summary.cameras.items() if of.delay_ms_min is not None}
        for camera, delay_ms in delays.items():
            self.delays[summary.line, camera] = KnownDelay(delay_ms, last_ms + delay_ms)
        known = Published(
            id=summary.id,
            revision=summary.revision,
            first_ms=first_ms,
            last_ms=last_ms,
            behind_ms=min(delays.values(), default=0),
            ended=summary.ended,
            cameras=frozenset(summary.cameras),
            faults=faults_of(summary),
            offsets=summary.offsets,
            digest=content_digest(summary),
            supplement=summary.supplement,
            final=summary.supplement or not summary.offsets or self._begins_before(summary.offsets),
        )
        of_key = self._by_key.setdefault((summary.line, summary.coil), {})
        if summary.id not in of_key or of_key[summary.id].revision <= summary.revision:
            of_key[summary.id] = known
        if summary.revision == 1 and not summary.supplement:
            seen = {*summary.cameras} - {*summary.cameras_silent}
            self.cameras_seen.append(((summary.line, summary.coil), seen))

    def final_ms(self, silence_s: float) -> dict[Key, int]:
        """Return for each coil the capture time up to which a frame is too late to correct it."""
        finals: dict[Key, int] = {}
        for key, ids in self._by_key.items():
            for known in ids.values():
                if known.final and not known.supplement:  # a coil with a supplement may itself be read again
                    until_ms = final_until_ms(known.last_ms + known.behind_ms, known.ended, silence_s)
                    finals[key] = max(until_ms, finals.get(key, until_ms))
        return finals

    def ids(self) -> Iterator[str]:
        return (identity for ids in self._by_key.values() for identity in ids)

    def has_final(self, key: Key, source: EventSource | None, captured_ms: int) -> bool:
        """Return whether the frame of this record is counted in a final summary."""
        if source is None:
            return False
        return any(known.final and known.has(source, captured_ms) for known in self._by_key.get(key, {}).values())

    def take(self, part: CoilPart) -> Published | None:
        """Remove and return the newest summary of this part, identified by its first record; None if there is none."""
        of_key = self._by_key.get((part.log.line, part.log.coil), {})
        firsts = {(partition.name, span.first) for partition, span in part.offsets.items()}
        for known in of_key.values():
            if not known.final and not firsts.isdisjoint((name, span.first) for name, span in known.offsets.items()):
                return of_key.pop(known.id)
        return None

    def _begins_before(self, offsets: Mapping[str, OffsetSpan]) -> bool:
        starts = self._starts
        return starts is not None and any(starts.get(name, inf) > span.first for name, span in offsets.items())


def final_until_ms(last_ms: int, ended: Ended | None, silence_s: float) -> int:
    """Return the capture time up to which a frame belongs to a part that ended in this way.

    A frame within `silence_s` after the last one would have prevented the silence, had it arrived in time. A part that
    was cut at a limit accepts no more frames.
    """
    return last_ms if ended == "limit" else last_ms + round(1000 * silence_s)


def faults_of(summary: CoilSummary) -> frozenset[str]:
    return frozenset([*summary.position_faults, *([SILENT_CAMERA] if summary.cameras_silent else [])])


def content_digest(summary: CoilSummary) -> bytes:
    """Return a digest of what the frames say. The state depends on the settings too, and summaries of older versions
    lack it and the location of defects across the strip: neither a changed limit nor an upgrade is a correction.
    """
    summary = msgspec.structs.replace(
        summary, defect_frames={}, state=None, exceeded=[], severities={}, without_limit=[], worst=None
    )
    defects = [
        msgspec.structs.replace(defect, side=None, width_mm=None, left_edge_mm=None, right_edge_mm=None)
        for defect in summary.strip_defects
    ]
    cameras = {name: msgspec.structs.replace(of, delay_ms_min=None) for name, of in summary.cameras.items()}
    content = msgspec.structs.replace(
        summary, id="", revision=0, ended=None, offsets={}, cameras=cameras, strip_defects=defects
    )
    return hashlib.sha256(msgspec.json.encode(content)).digest()
