"""The data of a strip map: one lane per camera with the inspected stretches, and the defects on it."""

from collections.abc import Mapping
from heapq import nlargest
from itertools import pairwise
from typing import Literal

import msgspec

from stripwatch.worker.coils.strip.placed_camera import PlacedCamera
from stripwatch.worker.coils.tracking.coil import CoilAggregate

_DEFECTS_MAX, _GAPS_MAX = 3_000, 500
_NONE: tuple[None, None] = (None, None)
_SIDES = {"top": 0, "bottom": 1}


class Lane(msgspec.Struct, frozen=True):
    """The lane of one camera.

    covered: inspected stretches (start, end) in mm. If there are more than 500 gaps, the shortest are filled;
    gaps_omitted counts them. height_px: height of the newest frame. shifts: encoder resets as (from_mm, shift_mm);
    from that strip position on, positions in events are smaller by shift_mm. lacks: why the lane is empty although
    frames were inspected, if so: without `ce_strippositionmm` they have no position, and without the setting
    `cameras.ID.mm_per_px` they have no length. edges: lowest and highest position of any frame.
    """

    camera: str
    side: str | None
    height_px: int | None
    covered: list[tuple[int, int]]
    gaps_omitted: int = 0
    shifts: tuple[tuple[int, int], ...] = ()
    lacks: Literal["mm_per_px", "position"] | None = None
    edges: tuple[int, int] | None = None


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A strip defect: lane and label as indices, start and end in mm, rows of the image (-1: the whole width).

    Also a stretch of novel frames: label NOVEL, which no class can have, and as score the novelty score divided by
    its threshold.
    """

    lane: int
    label: int
    start: int
    end: int
    row_start: int
    row_end: int
    score: float
    parts: int


class StripMap(msgspec.Struct, frozen=True):
    """The strip map of one coil.

    strip: start and end in mm, or null if no position is known. label_numbers: a number per label, counted in the order
    in which labels first appeared, so a label has the same colour everywhere. omitted: number of defects left out,
    counted from the head of the strip.
    """

    id: str
    coil: str | None
    line: str | None
    strip: tuple[int, int] | None
    lanes: list[Lane]
    labels: list[str]
    label_numbers: list[int]
    marks: list[Mark]
    omitted: int


def strip_map(
    log: CoilAggregate, known: Mapping[str, tuple[str | None, int | None]], numbers: Mapping[str, int]
) -> StripMap:
    """Build the strip map of a coil, with lanes sorted by side (top before bottom), then by name.

    known: side and height_px of each camera. numbers: number of each label.
    """
    placed = log.placed()
    cameras = sorted(placed.cameras, key=lambda name: (_SIDES.get(known.get(name, _NONE)[0] or "", 2), name))
    found = sorted(placed.defects(), key=lambda defect: defect.strip_mm.start)
    shown = found[-_DEFECTS_MAX:]
    labels = sorted({defect.label for defect in shown})
    lane_of, label_of = ({name: at for at, name in enumerate(names)} for names in (cameras, labels))
    strip = placed.strip_mm
    return StripMap(
        id=log.id,
        coil=log.coil,
        line=log.line,
        strip=(strip.start, strip.end) if strip else None,
        lanes=[
            _lane(name, *known.get(name, _NONE), placed.cameras[name], name in placed.without_scale) for name in cameras
        ],
        labels=labels,
        label_numbers=[numbers.get(label, len(numbers)) for label in labels],
        marks=[
            Mark(
                *(lane_of[defect.camera], label_of[defect.label], defect.strip_mm.start, defect.strip_mm.end),
                *((defect.across_px.start, defect.across_px.end) if defect.across_px else (-1, -1)),
                *(defect.score, defect.parts),
            )
            for defect in shown
            if defect.camera in lane_of
        ],
        omitted=len(found) - len(shown),
    )


def _lane(name: str, side: str | None, height_px: int | None, camera: PlacedCamera, without_scale: bool) -> Lane:
    spans = list(camera.covered)
    gaps = [(start, end) for (_, start), (end, _) in pairwise(spans)]
    longest = sorted(nlargest(_GAPS_MAX, gaps, key=lambda gap: gap[1] - gap[0]))
    edges = [edge for gap in longest for edge in gap]
    if spans:
        edges = [spans[0][0], *edges, spans[-1][1]]
    covered = list(zip(edges[::2], edges[1::2], strict=True))
    lacks: Literal["mm_per_px", "position"] | None = None
    if without_scale and not spans:
        lacks = "mm_per_px" if camera.edges else "position"
    return Lane(name, side, height_px, covered, len(gaps) - len(longest), camera.shifts, lacks, camera.edges)
