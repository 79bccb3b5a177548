"""Places corrected frames in the folder of the label that a person gave them on the live page."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stripwatch.training.datasets.reviewed_folder import (
    FILE_TIME,
    NO_FOLDER,
    SKIP,
    UNSORTED,
    FrameFiles,
    ReviewedFrame,
    may_be_folder,
)
from stripwatch.training.labeling.sort_frames import move_frame
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.contracts.line.correction import Correction
from stripwatch.worker.contracts.timestamps import parse_rfc3339

NOT_A_DEFECT = "_not_a_defect"  # not used for training, like all folders whose names begin with "_"


class CorrectedFrames:
    """Applies corrections to the files of a folder.

    A file is moved only from where `collect` has put it. A frame that was sorted by hand stays where it is.

    corrected: label by name of the frames that were placed. conflicts: number of frames that stay where they were
    sorted by hand, under another label. older: number of frames with a later correction that says something else, or
    with any correction if the new one states no time; undated names the latter.
    """

    def __init__(self, out: Path, files: FrameFiles, no_defect: str) -> None:
        """Prepare a folder. no_defect: label for "not a defect" if the model has none; "" if there is none."""
        self._out = out
        self._files = files
        self._no_defect = no_defect
        self.corrected: dict[str, str] = {}
        self.conflicts = 0
        self.older = 0
        self.undated: list[str] = []

    @property
    def without_label(self) -> int:
        """Return the number of frames that are not a defect, while neither model nor option names a label for that."""
        return list(self.corrected.values()).count(NOT_A_DEFECT)

    def apply(self, entry: ReviewedFrame, correction: Correction, dated: bool = True) -> ReviewedFrame:
        """Move the file of a frame, and return its row with the correction. The latest correction counts.

        dated: whether the correction states when it was made. One that does not never replaces one that does.
        Raises DataError for a frame in two folders, InputError if the file cannot be moved.
        """
        folder = self._folder(correction.label)
        differs = bool(entry.corrected_at) and self._folder(entry.corrected_label) != folder
        if differs and entry.is_dated and not dated:
            self.older += 1
            by = entry.corrected_by
            self.undated.append(f"{entry.id} is {_said(entry.corrected_label)} by {by}, not {correction.label!r}")
            return entry
        promoted = bool(entry.corrected_at) and dated and not entry.is_dated  # the time of a file gives way
        is_new = promoted or corrected_ms(entry) < correction.at_ms
        if not is_new and corrected_ms(entry) > correction.at_ms:
            self.older += entry.corrected_label != correction.label
            return entry
        self._place(entry, folder, correction, is_new)
        return entry if entry.is_dated and not dated else with_correction(entry, correction, dated)

    def _place(self, entry: ReviewedFrame, folder: str, correction: Correction, is_new: bool) -> None:
        path = self._files.find(entry.name)
        if path is None:
            return
        here = name_below(self._out, path.parent)
        if here != folder and here in {*self._own_folders(entry), f"{UNSORTED}/{folder}"}:
            self._files.put(entry.name, move_frame(path, self._out / folder))
            with suppress(OSError):  # a folder that is not empty stays
                path.parent.rmdir()
            self.corrected[entry.name] = folder
        elif here == folder and is_new:
            self.corrected[entry.name] = folder
        elif here != folder and is_new:
            self.conflicts += 1
            said = _said(correction.label)
            say(f"{path} stays where it was sorted by hand; {correction.by} corrected it to {said}")

    def _folder(self, label: str) -> str:
        label = label or self._no_defect
        if not label:
            return NOT_A_DEFECT
        return label if may_be_folder(label) or label == SKIP else f"{UNSORTED}/{NO_FOLDER}"

    def _own_folders(self, entry: ReviewedFrame) -> set[str]:
        """Return the folders in which this frame may be without having been sorted by hand."""
        own = {entry.unsorted_folder, NOT_A_DEFECT}
        return own | ({self._folder(entry.corrected_label)} if entry.corrected_at else set())


def with_correction(entry: ReviewedFrame, correction: Correction, dated: bool) -> ReviewedFrame:
    """Return a row with a correction. dated: whether the correction states when it was made."""
    return replace(
        entry,
        corrected_label=correction.label,
        corrected_by=correction.by,
        corrected_at=correction.at,
        corrected_time="" if dated else FILE_TIME,
    )


def _said(label: str) -> str:
    return repr(label) if label else "not a defect"


def corrected_ms(entry: ReviewedFrame) -> int:
    """Return the time of the correction in a row, in milliseconds since 1970; -1 for none."""
    try:
        return parse_rfc3339(entry.corrected_at)
    except ValueError:  # none, or modified by a spreadsheet program
        return -1
