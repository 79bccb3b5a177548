"""Labels collected frames as people labelled them in a labelling tool. The work of people is never overwritten."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stripwatch.training.annotations.image_sizes import annotated_size, read_stored
from stripwatch.training.datasets.formats.marks import ImageMarks, clipped
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.reviewed_folder import (
    SKIP,
    UNSORTED,
    FrameFiles,
    ReviewedFrame,
    read_collected,
    safe_name,
    write_entries,
)
from stripwatch.training.labeling.corrected_frames import CorrectedFrames, corrected_ms
from stripwatch.training.labeling.returned.boxes_file import BoxesFile
from stripwatch.training.labeling.returned.person_label import PersonLabel, Returned
from stripwatch.training.labeling.returned.reading import read_returned
from stripwatch.training.labeling.sort_frames import check_label, known_labels, remove_empty, sorted_summary
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.contracts.line.correction import Correction, Decision

_NAMED_MAX = 5


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
    matching = _Matching(out, entries, files, known_labels(entries, new_labels), no_defect)
    matched = matching.match(returned, problems)
    problems.check()
    if not matched and matching.unknown and len(matching.unknown) == returned.frames:
        raise DataError(
            f"{export}: none of its {returned.frames} frames is in {out}, such as {matching.unknown[0]}; pass the "
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
    _say_names(returned, matching)
    return {
        "out": str(out),
        "from": str(export),
        "format": returned.format,
        "frames": returned.frames,
        **_decisions(matched),
        "unannotated": len(returned.unannotated),
        "postponed": len(returned.postponed),
        "without_label": len(matching.without_label),
        "conflicts": len(returned.conflicts),
        "sorted_by_hand": corrected.conflicts,
        "older": corrected.older,
        "unknown": len(matching.unknown),
        "missing": _missing(entries, files, out),
        "moved": moved,
        "boxes_changed": changed_boxes,
        "other_boxes": len(matching.other_boxes),
        "frames_with_boxes": len(boxes),
        **sorted_summary(out),
    }


@dataclass(frozen=True, slots=True)
class _Decided:
    """A frame of the folder with the decision about it. marks: in pixels of the frame, clipped to it."""

    name: str
    guess: str
    decision: PersonLabel
    marks: ImageMarks

    @property
    def kind(self) -> str:
        """Return what the decision is, compared with the prediction."""
        if self.decision.label == SKIP:
            return "excluded"
        return "confirmed" if self.decision.label == self.guess else "corrected"


class _Matching:
    """Finds the frames of an export in a folder, and checks their labels and boxes.

    unknown: frames that are not in the folder. without_label: frames that a person saw but gave no label. other_boxes:
    frames with boxes of another label than their own.
    """

    def __init__(
        self, out: Path, entries: dict[str, ReviewedFrame], files: FrameFiles, known: set[str] | None, no_defect: str
    ) -> None:
        self._out = out
        self._entries = entries
        self._files = files
        self._known = known
        self._no_defect = no_defect
        self.unknown: list[str] = []
        self.without_label: list[str] = []
        self.other_boxes: list[str] = []

    def match(self, returned: Returned, problems: Problems) -> list[_Decided]:
        """Return the frames with their labels. What is not valid is added to the problems."""
        self.unknown += [frame for frame in returned.unannotated + returned.postponed if self._find(frame) is None]
        matched: dict[str, _Decided] = {}
        for each in sorted(returned.labels, key=lambda label: label.at):
            found = self._match(each, problems)
            if found is None:
                continue
            before = matched.setdefault(found.name, found)
            if before.decision.label != found.decision.label:
                problems.add(
                    f"{found.marks.where} has the label {found.decision.label!r}, but {before.marks.where} has "
                    f"{before.decision.label!r}; a frame has only one label"
                )
            matched[found.name] = found
        return list(matched.values())

    def _match(self, decision: PersonLabel, problems: Problems) -> _Decided | None:
        entry = self._find(decision.frame)
        if entry is None:
            self.unknown.append(decision.frame)
            return None
        label = decision.label or ("" if decision.marks.shapes else self._no_defect)
        if not label:
            self.without_label.append(decision.frame)
            return None
        where = f"{decision.marks.where} (frame {entry.id})"
        for each in sorted({label, *(shape.label for shape in decision.marks.shapes)}):
            try:
                check_label(each, self._known, where)
            except DataError as error:
                problems.add(str(error))
        if label == entry.no_defect:
            decision.marks.shapes.clear()  # what is left of the prediction
        if {shape.label for shape in decision.marks.shapes} - {label}:
            self.other_boxes.append(decision.frame)
        guess = "" if entry.is_nameless else entry.guess
        return _Decided(
            entry.name, guess, replace(decision, label=label), self._placed(entry, decision, where, problems)
        )

    def _find(self, frame: str) -> ReviewedFrame | None:
        """Return the frame with this id, or whose image has this name."""
        return self._entries.get(safe_name(frame)) or self._entries.get(Path(frame).stem)

    def _placed(self, entry: ReviewedFrame, decision: PersonLabel, where: str, problems: Problems) -> ImageMarks:
        """Return the boxes of a frame, clipped to it."""
        path, marks = self._files.find(entry.name), decision.marks
        placed = ImageMarks(marks.image, where, marks.width_px, marks.height_px)
        if not marks.shapes or path is None:
            return placed
        try:
            width_px, height_px = annotated_size(marks, read_stored(path))
        except ValueError as error:
            problems.add(f"{where}: {error}")
            return placed
        for shape in marks.shapes:
            try:
                placed.shapes.append(clipped(shape, width_px, height_px)[0])
            except ValueError as error:
                problems.add(f"{where}: a {'box' if shape.corners else 'polygon'} of {shape.label!r} {error}")
        return placed


def _apply(
    out: Path,
    each: _Decided,
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
    if not (entry.corrected_label == decision.label and _folder_of(files, each.name) == folder):
        entries[each.name] = corrected.apply(entry, correction)
    elif corrected_ms(entry) > correction.at_ms:
        return False
    path = files.find(each.name)
    if path is None or path.parent != folder or decision.label == SKIP:
        return False
    changed = boxes.put(each.name, path.name, each.marks)
    if changed:
        entries[each.name] = replace(entries[each.name], corrected_by=correction.by, corrected_at=correction.at)
    return changed


def _folder_of(files: FrameFiles, name: str) -> Path | None:
    path = files.find(name)
    return path.parent if path else None


def _places(entries: dict[str, ReviewedFrame], files: FrameFiles) -> dict[str, Path | None]:
    return {name: files.find(name) for name in entries}


def _decisions(matched: list[_Decided]) -> dict[str, int]:
    kinds = Counter(each.kind for each in matched)
    return {kind: kinds[kind] for kind in ("confirmed", "corrected", "excluded")}


def _missing(entries: dict[str, ReviewedFrame], files: FrameFiles, out: Path) -> int:
    """Return the number of frames that a tool got and that still have no label."""
    places = _places({name: entry for name, entry in entries.items() if entry.handed_over}, files).values()
    return sum(path is not None and path.relative_to(out).parts[0] == UNSORTED for path in places)


def _say_names(returned: Returned, matching: _Matching) -> None:
    """Name the frames that need the attention of a person."""
    groups = (
        (returned.conflicts, "frames stay where they are, because their labels contradict each other"),
        (
            matching.without_label,
            "frames were annotated but have no label; choose one in the tool, or add --no-defect LABEL if those "
            "without boxes are clean",
        ),
        (
            matching.other_boxes,
            "frames have boxes of other labels than their own; check them in the tool",
        ),
        (matching.unknown, "frames are not in the folder and are left out"),
    )
    for names, what in groups:
        if names:
            more = "; ..." if len(names) > _NAMED_MAX else ""
            say(f"{len(names)} {what}: {'; '.join(names[:_NAMED_MAX])}{more}")
