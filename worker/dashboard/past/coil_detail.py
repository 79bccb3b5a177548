"""The content of a coil report, as JSON."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.observations import NOVEL
from stripwatch.worker.contracts.coil_summary import CoilSummary, Severity, StripDefect
from stripwatch.worker.contracts.events import Box
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.dashboard.past.coil_reading import CoilReading, DefectFrame
from stripwatch.worker.dashboard.past.most_serious import most_serious
from stripwatch.worker.dashboard.state.strip_map import Lane, Mark, StripMap, strip_map

Source = Literal["page", "summaries", "results"]


class SeriousDefect(msgspec.Struct, frozen=True):
    """One of the most serious defects, with its picture.

    strip_mm: null if its location on the strip is unknown. picture: last part of the address of its picture; null if
    no result with the position of its frame was found. evidence: as stated in the event.
    """

    label: str
    severity: Severity
    score: float
    camera: str
    strip_mm: tuple[int, int] | None
    captured_at: str | None
    picture: str | None
    evidence: bool | None
    boxes: list[Box]
    box_labels: list[str]
    width_px: int | None
    height_px: int | None


class CoilDetail(msgspec.Struct, frozen=True):
    """Everything that the report shows.

    coil: the summary. first_frames_unread: its first frames may be missing. source: where the summary is from: the
    page, the summaries of coils on Kafka, or the results. models: the models that inspected the frames, with the number
    of frames. frames_read: frames of the coil whose records are still on Kafka. notes: sentences on what is missing.
    """

    coil: CoilSummary
    first_frames_unread: bool
    source: Source
    map: StripMap
    models: list[dict[str, Any]]
    most_serious: list[SeriousDefect]
    frames_read: int
    notes: list[str]


def coil_detail(
    summary: CoilSummary,
    reading: CoilReading,
    source: Source,
    is_cut: bool,
    grading: GradingRules,
    numbers: Mapping[str, int],
    picture: Callable[[DefectFrame], str],
) -> CoilDetail:
    """Build the content of a report.

    Args:
        summary: The summary of the coil.
        reading: Its records, as far as they are still on Kafka.
        source: Where the summary is from.
        is_cut: Whether the first frames of the coil may be missing in the summary.
        grading: The severity of the classes.
        numbers: Number of each label on the page, which gives its colour.
        picture: Returns the address of a frame's picture.
    """
    marks = reading.log.placed().defects() if reading.log else summary.strip_defects
    found = [each for each in marks if each.label != NOVEL]
    serious = most_serious(found, reading.defect_frames, grading)
    return CoilDetail(
        coil=summary,
        first_frames_unread=is_cut,
        source=source,
        map=_map(summary, reading, numbers),
        models=[msgspec.to_builtins(info) | {"frames": frames} for info, frames in reading.models.most_common()],
        most_serious=[_serious(defect, frame, grading, picture) for defect, frame in serious],
        frames_read=reading.log.frames if reading.log else 0,
        notes=_notes(summary, reading),
    )


def _serious(
    defect: StripDefect | None,
    frame: DefectFrame | None,
    grading: GradingRules,
    picture: Callable[[DefectFrame], str],
) -> SeriousDefect:
    if defect is not None:
        label, score, camera = defect.label, defect.score, defect.camera
        strip_mm = (defect.strip_mm.start, defect.strip_mm.end)
    else:
        assert frame is not None
        label, score, camera, strip_mm = frame.label, frame.score, frame.camera, None
    return SeriousDefect(
        label=label,
        severity=grading.severity_of(label),
        score=score,
        camera=camera,
        strip_mm=strip_mm,
        captured_at=rfc3339(frame.captured_ms) if frame else None,
        picture=picture(frame) if frame and frame.frame else None,
        evidence=frame.evidence if frame else None,
        boxes=[box for box, _ in frame.boxes] if frame else [],
        box_labels=[name for _, name in frame.boxes] if frame else [],
        width_px=frame.width_px if frame else None,
        height_px=frame.height_px if frame else None,
    )


def _map(summary: CoilSummary, reading: CoilReading, numbers: Mapping[str, int]) -> StripMap:
    made = strip_map(reading.log, reading.views, numbers) if reading.log else _map_of_summary(summary, numbers)
    return msgspec.structs.replace(made, id=summary.id)


def _map_of_summary(summary: CoilSummary, numbers: Mapping[str, int]) -> StripMap:
    """Build a map without the records of the coil: its listed defects, and the coverage of all cameras together."""
    cameras = sorted(summary.cameras)
    labels = sorted({defect.label for defect in summary.strip_defects})
    strip = summary.strip_mm
    edges = [edge for gap in sorted(summary.gaps, key=lambda gap: gap.start) for edge in (gap.start, gap.end)]
    covered = [strip.start, *edges, strip.end] if strip and summary.uncovered_mm is not None else []
    lanes = [Lane(name, None, None, list(zip(covered[::2], covered[1::2], strict=True))) for name in cameras]
    return StripMap(
        id=summary.id,
        coil=summary.coil,
        line=summary.line,
        strip=(strip.start, strip.end) if strip else None,
        lanes=lanes,
        labels=labels,
        label_numbers=[numbers.get(label, len(numbers)) for label in labels],
        marks=[
            Mark(
                *(cameras.index(one.camera), labels.index(one.label), one.strip_mm.start, one.strip_mm.end),
                *(-1, -1, one.score, one.parts),
            )
            for one in summary.strip_defects
            if one.camera in summary.cameras
        ],
        omitted=summary.strip_defects_total - len(summary.strip_defects),
    )


def _notes(summary: CoilSummary, reading: CoilReading) -> list[str]:
    frames = sum(msgspec.structs.astuple(summary.frames))
    read = reading.log.frames if reading.log else 0
    if reading.is_cut:
        return [f"The coil is too large to be read completely: map, pictures and models show {read:,} of its frames."]
    if read == 0:
        return [
            "The results of this coil are no longer on Kafka. The figures are those of its summary; the map shows the "
            "coverage of all cameras together, and there are no pictures."
        ]
    if read < frames:
        return [
            f"The results of {frames - read:,} of {frames:,} frames are no longer on Kafka: map, pictures and models "
            "show only the others. The figures are those of the whole coil."
        ]
    return []
