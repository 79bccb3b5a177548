"""The most serious defects of a coil: by severity, then by score."""

from collections.abc import Iterable, Mapping

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.contracts.coil_summary import StripDefect
from stripwatch.worker.dashboard.past.coil_reading import DefectFrame

SHOWN = 10


def most_serious(
    found: Iterable[StripDefect],
    frames: Mapping[str, DefectFrame],
    grading: GradingRules,
    count: int = SHOWN,
) -> list[tuple[StripDefect | None, DefectFrame | None]]:
    """Return the most serious defects, each with the frame that shows it best, if that is known.

    A defect that several frames show is one entry, and so is a frame that shows several defects best, so that the
    pictures differ. Frames whose defect has no location on the strip are entries too, without a strip defect.

    Args:
        found: All defects of the strip.
        frames: Frames with a defect, by the id of their event.
        grading: The severity of the classes.
        count: Number of defects to return.
    """
    entries: list[tuple[StripDefect | None, DefectFrame | None]] = [(one, frames.get(one.event_id)) for one in found]
    entries += [(None, frame) for frame in frames.values() if frame.strip_mm is None]

    def seriousness(entry: tuple[StripDefect | None, DefectFrame | None]) -> tuple[tuple[int, float], int, int, str]:
        defect, frame = entry
        if defect is not None:
            length_mm = defect.strip_mm.end - defect.strip_mm.start
            return grading.seriousness(defect.label, defect.score), length_mm, -defect.strip_mm.start, defect.event_id
        assert frame is not None
        return grading.seriousness(frame.label, frame.score), 0, 0, frame.id

    chosen: dict[str, tuple[StripDefect | None, DefectFrame | None]] = {}
    for entry in sorted(entries, key=seriousness, reverse=True):
        chosen.setdefault(seriousness(entry)[-1], entry)
        if len(chosen) == count:
            break
    return list(chosen.values())
