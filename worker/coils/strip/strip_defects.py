"""Defects of a strip. Parts of a defect in several frames of one camera are merged."""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import reduce
from heapq import merge
from math import inf
from typing import NamedTuple, Self

import msgspec

from stripwatch.worker.contracts.coil_summary import PixelSpan, StripDefect
from stripwatch.worker.contracts.frame_info import StripSpan


def packed(defects: Sequence[StripDefect]) -> bytes:
    """Serialize defects, to store them in less than half of the memory."""
    return _pack([_Packed.of(defect) for defect in defects]) if defects else b""


def unpacked(data: bytes) -> tuple[StripDefect, ...]:
    return tuple(one.defect() for one in _unpack(data)) if data else ()


class _Packed(NamedTuple):
    label: str
    camera: str
    event_id: str
    score: float
    start: int
    end: int
    rows: tuple[int, int] | None
    parts: int
    side: str | None
    width_mm: float | None
    left_edge_mm: float | None
    right_edge_mm: float | None

    @classmethod
    def of(cls, defect: StripDefect) -> Self:
        span, rows = defect.strip_mm, defect.across_px
        across = (rows.start, rows.end) if rows else None
        names = defect.label, defect.camera, defect.event_id
        location = defect.width_mm, defect.left_edge_mm, defect.right_edge_mm
        return cls(*names, defect.score, span.start, span.end, across, defect.parts, defect.side, *location)

    def defect(self) -> StripDefect:
        return StripDefect(
            label=sys.intern(self.label),
            camera=sys.intern(self.camera),
            score=self.score,
            strip_mm=StripSpan(self.start, self.end),
            across_px=PixelSpan(*self.rows) if self.rows else None,
            parts=self.parts,
            event_id=self.event_id,
            side=sys.intern(self.side) if self.side else None,
            width_mm=self.width_mm,
            left_edge_mm=self.left_edge_mm,
            right_edge_mm=self.right_edge_mm,
        )


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[_Packed]).decode


class StripDefects:
    """Merges defects of one camera and label whose rectangles overlap or are at most join_mm apart along the strip.

    The rectangle of a union may touch further ones, so merging continues until all rectangles are apart. The result is
    the finest grouping with separate rectangles. It is unique, so the order of arrival does not matter.
    """

    def __init__(self, join_mm: int = 0) -> None:
        self._join_mm = join_mm
        self._found: dict[tuple[str, str], _Apart] = {}

    def __iter__(self) -> Iterator[StripDefect]:
        """Iterate in order of camera, label and position."""
        for key in sorted(self._found):
            yield from self._found[key]

    def __len__(self) -> int:
        return sum(map(len, self._found.values()))

    def add(self, defect: StripDefect) -> None:
        key = defect.camera, defect.label
        if key not in self._found:
            self._found[key] = _Apart(self._join_mm)
        self._found[key].add(defect)


class _Apart:
    """Separate rectangles of one camera and label.

    They are grouped by the bit length of their length. A rectangle as long as the coil is alone in its group, so it
    does not widen the search among the short ones.
    """

    def __init__(self, join_mm: int) -> None:
        self._join_mm = join_mm
        self._by_magnitude: dict[int, _Sorted] = {}

    def __iter__(self) -> Iterator[StripDefect]:
        return merge(*(one.defects for one in self._by_magnitude.values()), key=_place)

    def __len__(self) -> int:
        return sum(len(one.defects) for one in self._by_magnitude.values())

    def add(self, defect: StripDefect) -> None:
        searched: Sequence[StripSpan] = [defect.strip_mm]
        while touching := self._touching(defect, searched):
            for other in touching:
                self._by_magnitude[_magnitude(other)].remove(other)
            union = reduce(_union, touching, defect)
            searched = _not_searched(union, [defect, *touching])
            defect = union
        self._by_magnitude.setdefault(_magnitude(defect), _Sorted()).insert(defect)

    def _touching(self, defect: StripDefect, searched: Sequence[StripSpan]) -> list[StripDefect]:
        """Return the defects near one of the spans that touch the given defect."""
        found = {}
        for span in searched:
            for magnitude, one in self._by_magnitude.items():
                longest_mm = (1 << magnitude) - 1
                for other in one.between(span.start - self._join_mm - longest_mm, span.end + self._join_mm):
                    if self._touch(other, defect):
                        found[id(other)] = other
        return list(found.values())

    def _touch(self, a: StripDefect, b: StripDefect) -> bool:
        start, end = a.strip_mm.start - self._join_mm, a.strip_mm.end + self._join_mm
        return start <= b.strip_mm.end and b.strip_mm.start <= end and _share_rows(a.across_px, b.across_px)


class _Sorted:
    """Defects sorted by position. starts: their start positions, for a search without a call per comparison."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.defects: list[StripDefect] = []

    def insert(self, defect: StripDefect) -> None:
        at = bisect_right(self.defects, _place(defect), key=_place)
        self.starts.insert(at, defect.strip_mm.start)
        self.defects.insert(at, defect)

    def remove(self, defect: StripDefect) -> None:
        at = bisect_left(self.starts, defect.strip_mm.start)
        while self.defects[at] is not defect:
            at += 1
        del self.starts[at], self.defects[at]

    def between(self, first_mm: int, last_mm: int) -> list[StripDefect]:
        """Return the defects that start in this range."""
        return self.defects[bisect_left(self.starts, first_mm) : bisect_right(self.starts, last_mm)]


def _not_searched(union: StripDefect, parts: Sequence[StripDefect]) -> Sequence[StripSpan]:
    """Return the spans in which a defect may touch the union without touching any of its parts.

    Next to a part that covers all rows of the union there is none, because it would touch that part.
    """
    widest = max(
        (part.strip_mm for part in parts if part.across_px == union.across_px),
        key=lambda span: span.end - span.start,
        default=None,
    )
    if widest is None:
        return [union.strip_mm]
    ends = [StripSpan(union.strip_mm.start, widest.start), StripSpan(widest.end, union.strip_mm.end)]
    return [span for span in ends if span.start < span.end]


def moved(defect: StripDefect, along_mm: int) -> StripDefect:
    """Return the defect shifted along the strip."""
    span = StripSpan(defect.strip_mm.start + along_mm, defect.strip_mm.end + along_mm)
    return msgspec.structs.replace(defect, strip_mm=span)


def _magnitude(defect: StripDefect) -> int:
    return (defect.strip_mm.end - defect.strip_mm.start).bit_length()


def _place(defect: StripDefect) -> tuple[int, int, str]:
    return defect.strip_mm.start, defect.strip_mm.end, defect.event_id


def _share_rows(a: PixelSpan | None, b: PixelSpan | None) -> bool:
    return a is None or b is None or (a.start <= b.end and b.start <= a.end)


def _union(a: StripDefect, b: StripDefect) -> StripDefect:
    best = max(a, b, key=_rank)
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
        side=best.side,
        width_mm=best.width_mm,
        left_edge_mm=best.left_edge_mm,
        right_edge_mm=best.right_edge_mm,
    )


def _rank(defect: StripDefect) -> tuple[float, str, tuple[float, ...]]:
    """Return the order by which the best part is chosen. The location decides between two boxes of one frame."""
    location = defect.width_mm, defect.left_edge_mm, defect.right_edge_mm
    return defect.score, defect.event_id, tuple(-inf if value is None else value for value in location)
