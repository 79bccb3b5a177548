"""Labels collected frames as people labelled them in a labelling tool. The work of people is never overwritten."""

from collections import Counter
from pathlib import Path
from typing import Any

from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.reviewed_folder import (
    UNSORTED,
    FrameFiles,
    ReviewedFrame,
    read_collected,
    write_entries,
)
from stripwatch.training.labeling.corrected_frames import CorrectedFrames, corrected_ms, with_correction
from stripwatch.training.labeling.label_check import LabelCheck
from stripwatch.training.labeling.matching import DecidedFrame, Matching
from stripwatch.training.labeling.returned.boxes_file import BoxesFile
from stripwatch.training.labeling.returned.reading import read_returned
from stripwatch.training.labeling.sort_frames import remove_empty, sorted_summary
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.contracts.line.correction import Correction, Decision
from stripwatch.worker.images.image_files import SkippedFile

_NOT_HERE = "in the export, but not in the folder"


def take_back(out: Path, export: Path, new_labels: bool = False, no_defect: str = "") -> dict[str, Any]:
    """Apply the export of a labelling tool to a collected folder. Returns a summary.

    Frames with a label move to the folder of their label, and their boxes go to boxes.json. A frame that was sorted by
    hand under another label stays where it is, and so does one that people labelled differently. Taking back the same
    file again changes nothing. new_labels: accept labels that the model does not know. no_defect: label of frames
    without a label and without boxes; "" leaves them unlabelled. Raises InputError or DataError, with all problems,
    before any file is changed.
    """
    entries, files = read_collected(out)
    problems = Problems(str(export))
    returned = read_returned(export, problems)
    boxes = BoxesFile(out)
    matching = Matching(entries, files, LabelCheck(entries, files, new_labels), no_defect)
    matched, attention = matching.match(returned, problems), matching.attention
    problems.check()
    if not matched and attention.unknown and len(attention.unknown) == returned.frames:
        raise DataError(
            f"{export}: none of its {returned.frames} frames is in {out}, such as {attention.unknown[0]}; pass the "
            "folder that the frames were handed over from"
        )
    corrected = CorrectedFrames(out, files, no_defect)
    before = _places(entries, files)
    changed_boxes = 0
    try:
        for each in matched:
            changed_boxes += _apply(out, each, entries, corrected, files, boxes)
    finally:
        boxes.write()
        write_entries(out, entries.values())
    remove_empty(out / UNSORTED)
    moved = sum(place != before[name] for name, place in _places(entries, files).items())
    attention.say(returned, corrected.undated, no_defect)
    return {
        "out": str(out),
        "from": str(export),
        "format": returned.format,
        "frames": returned.frames,
        **_decisions(matched),
        "unannotated": len(returned.unannotated),
        "postponed": len(returned.postponed),
        "without_label": len(attention.without_label),
        "labelled_no_defect": len(attention.no_boxes),
        "conflicts": len(returned.conflicts),
        "sorted_by_hand": corrected.conflicts,
        "older": corrected.older,
        "unknown": len(attention.unknown),
        "missing": _missing(entries, files, out),
        "moved": moved,
        "boxes_changed": changed_boxes,
        "other_boxes": len(attention.other_boxes),
        "boxes_dropped": attention.boxes_dropped,
        "frames_with_boxes": len(boxes),
        **sorted_summary(out, [SkippedFile(frame, _NOT_HERE) for frame in attention.unknown]),
    }


def _apply(
    out: Path,
    each: DecidedFrame,
    entries: dict[str, ReviewedFrame],
    corrected: CorrectedFrames,
    files: FrameFiles,
    boxes: BoxesFile,
) -> bool:
    """Move a frame and keep its boxes, unless it was sorted by hand or corrected later.

    Returns whether its boxes changed.
    """
    entry, decision = entries[each.name], each.decision
    folder = out / decision.label
    kind: Decision = "confirmed" if each.kind == "confirmed" else "relabelled"
    correction = Correction(kind, decision.label, decision.by, decision.at, "unsure")
    is_placed = entry.corrected_label == decision.label and _folder_of(files, each.name) == folder
    if not is_placed or (decision.dated and not entry.is_dated):
        entries[each.name] = corrected.apply(entry, correction, decision.dated)
    elif corrected_ms(entry) > correction.at_ms:
        return False
    path = files.find(each.name)
    if path is None or path.parent != folder:
        return False
    changed = boxes.put(each.name, path.name, each.marks)
    if changed and (decision.dated or not entry.is_dated):
        entries[each.name] = with_correction(entries[each.name], correction, decision.dated)
    return changed


def _folder_of(files: FrameFiles, name: str) -> Path | None:
    path = files.find(name)
    return path.parent if path else None


def _places(entries: dict[str, ReviewedFrame], files: FrameFiles) -> dict[str, Path | None]:
    return {name: files.find(name) for name in entries}


def _decisions(matched: list[DecidedFrame]) -> dict[str, int]:
    kinds = Counter(each.kind for each in matched)
    return {kind: kinds[kind] for kind in ("confirmed", "corrected", "excluded")}


def _missing(entries: dict[str, ReviewedFrame], files: FrameFiles, out: Path) -> int:
    """Return the number of frames that a tool got and that still have no label."""
    places = _places({name: entry for name, entry in entries.items() if entry.handed_over}, files).values()
    return sum(path is not None and path.relative_to(out).parts[0] == UNSORTED for path in places)
