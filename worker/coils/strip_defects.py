"""Defects of a strip: what several frames of one camera show of one defect is joined."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from functools import reduce

import msgspec

from stripwatch.worker.contracts.events import StripSpan


class PixelSpan(msgspec.Struct, frozen=True):
    """Rows of the image, across the strip."""

    start: int
    end: int


class StripDefect(msgspec.Struct, frozen=True):
    """One defect of the strip. across_px: null where it takes the whole width that the camera sees, or is not known.

    score: the best of its parts. parts: boxes (frames, where there are none) that were joined. event_id: that of the
    result with the best score.
    """

    label: str
    camera: str
    score: float
    strip_mm: StripSpan
    across_px: PixelSpan | None
    parts: int
    event_id: str


class StripDefects:
    """Joins defects of one camera and label whose rectangles overlap, or lie at most join_mm apart along the strip.

    A union's rectangle may reach further ones, so joining continues until all rectangles are apart. The outcome is the
    finest grouping whose rectangles are apart, of which there is one: the order of arrival does not matter.
    """

    def __init__(self, join_mm: int = 0) -> None:
        self._join_mm = join_mm
        self._found: dict[tuple[str, str], list[StripDefect]] = {}
        self._longest_mm: dict[tuple[str, str], int] = {}

    def __iter__(self) -> Iterator[StripDefect]:
        """By camera, label and place."""
        for key in sorted(self._found):
            yield from self._found[key]

    def __len__(self) -> int:
        return sum(map(len, self._found.values()))

    def add(self, defect: StripDefect) -> None:
        key = defect.camera, defect.label
        found = self._found.setdefault(key, [])
        while touching := self._touching(found, defect, self._longest_mm.get(key, 0)):
            for other in touching:
                found.remove(other)
            defect = reduce(_union, touching, defect)
        insort(found, defect, key=_start_mm)
        self._longest_mm[key] = max(self._longest_mm.get(key, 0), defect.strip_mm.end - defect.strip_mm.start)

    def _touching(self, found: list[StripDefect], defect: StripDefect, longest_mm: int) -> list[StripDefect]:
        span = defect.strip_mm
        first = bisect_left(found, span.start - self._join_mm - longest_mm, key=_start_mm)
        last = bisect_right(found, span.end + self._join_mm, key=_start_mm)
        return [
            other
            for other in found[first:last]
            if other.strip_mm.end + self._join_mm >= span.start and _share_rows(other.across_px, defect.across_px)
        ]


def _start_mm(defect: StripDefect) -> int:
    return defect.strip_mm.start


def _share_rows(a: PixelSpan | None, b: PixelSpan | None) -> bool:
    return a is None or b is None or (a.start <= b.end and b.start <= a.end)


def _union(a: StripDefect, b: StripDefect) -> StripDefect:
    best = max(a, b, key=lambda defect: (defect.score, defect.event_id))
    rows = [defect.across_px for defect in (a, b)]
    known = [span for span in rows if span is not None]
    return StripDefect(
        label=a.label,
        camera=a.camera,
        score=best.score,
        strip_mm=StripSpan(min(a.strip_mm.start, b.strip_mm.start), max(a.strip_mm.end, b.strip_mm.end)),
        across_px=PixelSpan(min(s.start for s in known), max(s.end for s in known)) if len(known) == 2 else None,
        parts=a.parts + b.parts,
        event_id=best.event_id,
    )
