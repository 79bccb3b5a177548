"""Finds the frames of an export in a collected folder, and checks their labels and boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stripwatch.training.annotations.image_sizes import annotated_size, read_stored
from stripwatch.training.datasets.formats.marks import ImageMarks, clipped
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.reviewed_folder import SKIP, FrameFiles, ReviewedFrame, safe_name
from stripwatch.training.labeling.label_check import LabelCheck
from stripwatch.training.labeling.returned.person_label import PersonLabel, Returned
from stripwatch.worker.common.terminal.console import say

_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class DecidedFrame:
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


@dataclass(slots=True)
class Attention:
    """Frames that need the attention of a person.

    unknown: they are not in the folder. without_label: a person saw them but gave no label. no_boxes: they have neither
    label nor boxes, and get the label of --no-defect. other_boxes: they have boxes of another label than their own.
    left_over: number of dropped boxes by frame; the model drew them, nobody touched them, and the frame has another
    label. on_clean: number of dropped boxes by frame, whose label means "no defect".
    """

    unknown: list[str] = field(default_factory=list)
    without_label: list[str] = field(default_factory=list)
    no_boxes: list[str] = field(default_factory=list)
    other_boxes: list[str] = field(default_factory=list)
    left_over: dict[str, int] = field(default_factory=dict)
    on_clean: dict[str, int] = field(default_factory=dict)

    @property
    def boxes_dropped(self) -> int:
        """Return the number of boxes that are not kept."""
        return sum(self.left_over.values()) + sum(self.on_clean.values())

    def say(self, returned: Returned, undated: Sequence[str], no_defect: str) -> None:
        """Name the frames. undated: frames whose label is kept, because the export does not state times."""
        unchecked = "; COCO does not state who has checked them" if returned.format == "coco" else ""
        groups: tuple[tuple[Sequence[str], str], ...] = (
            (returned.conflicts, "frames stay where they are, because their labels contradict each other"),
            (undated, "frames keep their label, because the file does not state when it was corrected"),
            (
                self.without_label,
                "frames were annotated but have no label; choose one in the tool, or add --no-defect LABEL if those "
                "without boxes are clean",
            ),
            (self.no_boxes, f"frames without boxes are labelled {no_defect!r}{unchecked}"),
            (self.other_boxes, "frames have boxes of other labels than their own; check them in the tool"),
            (
                _numbered(self.left_over),
                "frames have boxes of the model that nobody touched, with another label than the frame; these boxes "
                "are dropped. If one shows a defect, move it or draw it again in the tool",
            ),
            (_numbered(self.on_clean), "frames without a defect have boxes, which are dropped"),
            (self.unknown, "frames are not in the folder and are left out"),
        )
        for names, what in groups:
            if names:
                more = "; ..." if len(names) > _NAMED_MAX else ""
                say(f"{len(names)} {what}: {'; '.join(names[:_NAMED_MAX])}{more}")


def _numbered(boxes: dict[str, int]) -> list[str]:
    return [f"{frame} ({count})" for frame, count in boxes.items()]


class Matching:
    """Finds the frames of an export in a folder, and checks their labels and boxes."""

    def __init__(self, entries: dict[str, ReviewedFrame], files: FrameFiles, check: LabelCheck, no_defect: str) -> None:
        self._entries = entries
        self._files = files
        self._check = check
        self._no_defect = no_defect
        self.attention = Attention()

    def match(self, returned: Returned, problems: Problems) -> list[DecidedFrame]:
        """Return the frames with their labels. What is not valid is added to the problems."""
        undecided = returned.unannotated + returned.postponed
        self.attention.unknown += [frame for frame in undecided if self._find(frame) is None]
        matched: dict[str, DecidedFrame] = {}
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
        self._check.report(problems)
        return list(matched.values())

    def _match(self, decision: PersonLabel, problems: Problems) -> DecidedFrame | None:
        entry = self._find(decision.frame)
        if entry is None:
            self.attention.unknown.append(decision.frame)
            return None
        label = decision.label or ("" if decision.marks.shapes else self._no_defect)
        if not label:
            self.attention.without_label.append(decision.frame)
            return None
        where = f"{decision.marks.where} (frame {entry.id})"
        for each in sorted({label, *(shape.label for shape in decision.marks.shapes)}):
            self._check.note(each, where)
        if not decision.label:
            self.attention.no_boxes.append(decision.frame)
        self._drop_boxes(entry, decision, label)
        guess = "" if entry.is_nameless else entry.guess
        return DecidedFrame(
            entry.name, guess, replace(decision, label=label), self._placed(entry, decision, where, problems)
        )

    def _drop_boxes(self, entry: ReviewedFrame, decision: PersonLabel, label: str) -> None:
        """Drop the boxes of frames without a defect and of excluded ones, and note which frames need attention."""
        shapes, frame, dropped = decision.marks.shapes, decision.frame, decision.left_over
        if label == SKIP:
            shapes.clear()
            return
        is_clean = label == entry.no_defect
        if is_clean:
            dropped += len(shapes)
            shapes.clear()
        if dropped:
            (self.attention.on_clean if is_clean else self.attention.left_over)[frame] = dropped
        if {shape.label for shape in shapes} - {label}:
            self.attention.other_boxes.append(frame)

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
