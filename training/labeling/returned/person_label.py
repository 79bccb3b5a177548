"""What people decided about frames in a labelling tool, independent of the tool."""

from dataclasses import dataclass, field, replace

from stripwatch.training.datasets.formats.marks import ImageMarks
from stripwatch.training.labeling.handover.handed_frame import UNNAMED


@dataclass(frozen=True, slots=True)
class PersonLabel:
    """Decision about one frame.

    frame: id of the frame, or path of its image. label: "" if a person gave none. by: the person, or the file. at: RFC
    3339 in UTC. marks: boxes and polygons; without shapes if nothing was drawn. dated: whether `at` is the time of the
    decision, and not of the file. left_over: number of boxes of the model that nobody touched and that have another
    label; they are not among the marks.
    """

    frame: str
    label: str
    by: str
    at: str
    marks: ImageMarks
    dated: bool = True
    left_over: int = 0


@dataclass(slots=True)
class Returned:
    """Content of an export.

    format: "label-studio" or "coco". labels: decisions. unannotated: frames that nobody has labelled. postponed: frames
    that a person passed over with the Skip button of the tool. conflicts: sentences about frames that people labelled
    differently.
    """

    format: str
    labels: list[PersonLabel] = field(default_factory=list)
    unannotated: list[str] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """Return the number of frames in the export."""
        return len(self.labels) + len(self.unannotated) + len(self.postponed) + len(self.conflicts)


def label_of_shapes(marks: ImageMarks) -> str:
    """Return the only label of the boxes and polygons; "" if there is none. Raises ValueError for several labels."""
    labels = sorted({shape.label for shape in marks.shapes} - {UNNAMED})
    if len(labels) > 1:
        raise ValueError(f"has boxes of {' and '.join(labels)}, and nothing states which of them is its label")
    return labels[0] if labels else ""


def name_shapes(marks: ImageMarks, label: str) -> None:
    """Give the label of the frame to boxes that have none yet."""
    if label:
        marks.shapes = [replace(each, label=label) if each.label == UNNAMED else each for each in marks.shapes]
