"""Contact sheet of unknown frames that a novelty detector missed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stripwatch.export.reporting.figures import Tile, decode_tile, draw_sheet
from stripwatch.export.results.novelty_results import MissedFrame
from stripwatch.export.runs.frames import read_frame
from stripwatch.training.novelty.judged_frames import JudgedFrames
from stripwatch.worker.images.decode_spec import DecodeSpec

_TILES_MAX = 36
_TILES_A_GROUP = 6


@dataclass(frozen=True, slots=True)
class UnknownGroup:
    """Frames of one kind that a model should not know. name: of the class or folder. root: folder of the frames."""

    name: str
    root: Path
    judged: JudgedFrames


def draw_missed(groups: Sequence[UnknownGroup], decode: DecodeSpec, title: str) -> bytes | None:
    """Return a PNG with the missed frames of each group, or None if nothing was missed.

    Groups with the lowest detected share come first, and within a group the most confident prediction. title: start of
    the title.
    """
    missed = [group for group in groups if not group.judged.novel.all()]
    missed.sort(key=lambda group: float(group.judged.novel.mean()))
    if not missed:
        return None
    picked = list(_picked(missed))
    count = sum(int((~group.judged.novel).sum()) for group in missed)
    shown = f"{len(picked)} of {count:,}" if len(picked) < count else f"all {count:,}"
    tiles = [_tile(group, found, decode) for group, found in picked]
    return draw_sheet(f"{title}: {shown} missed frames, most confident predictions first", tiles)


def _picked(groups: Sequence[UnknownGroup]) -> Iterable[tuple[UnknownGroup, MissedFrame]]:
    each = max(_TILES_A_GROUP, _TILES_MAX // len(groups))
    pairs = [(group, found) for group in groups for found in group.judged.missed[:each]]
    return pairs[:_TILES_MAX]


def _tile(group: UnknownGroup, found: MissedFrame, decode: DecodeSpec) -> Tile:
    frame = next(frame for frame in group.judged.frames if frame.name == found.frame)
    picture = decode_tile(read_frame(group.root, frame), decode)
    truth = f"true: {found.label}" if found.label else f"from: {group.name}"
    lines = [found.frame, truth, f"predicted: {found.predicted} {found.score:.3f}", f"margin {found.margin:.3g}"]
    return Tile(picture, "\n".join(lines))
