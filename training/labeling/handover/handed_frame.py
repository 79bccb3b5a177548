"""A frame as a labelling tool gets it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from stripwatch.training.datasets.reviewed_folder import SKIP, ReviewedFrame, may_be_folder
from stripwatch.worker.contracts.events import Candidate

NEW = "_new"  # choice of a person who names a new kind of defect
UNNAMED = "_unnamed"  # label of a box whose class is not known yet
OWN_NAMES = frozenset({NEW, UNNAMED, SKIP})


@dataclass(frozen=True, slots=True)
class HandedFrame:
    """A review frame for a labelling tool.

    image: file name in the folder of images. width_px, height_px: size of the frame. boxes: of the model, within the
    frame; their labels are among those of the tool.
    """

    entry: ReviewedFrame
    image: str
    width_px: int
    height_px: int
    boxes: tuple[Candidate, ...] = ()

    @property
    def guess(self) -> str:
        """Return the predicted label; "" if it says little about the frame or is not a valid label."""
        return "" if self.entry.is_nameless or not may_be_folder(self.entry.guess) else self.entry.guess

    @property
    def score(self) -> float:
        """Return the score of the predicted label, 0 to 1."""
        try:
            return float(self.entry.score)
        except ValueError:  # modified by a spreadsheet program
            return 0.0


@dataclass(frozen=True, slots=True)
class HandoverPlan:
    """What a tool gets. labels: of the models that published the frames, sorted. at: time of the handover."""

    frames: list[HandedFrame]
    labels: list[str]
    at: datetime


def next_file(path: Path) -> Path:
    """Return a path for the frames of a new handover: the path itself, or with a number if it exists.

    The file of an earlier handover stays, because nothing states whether a person has imported it.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(each for each in chain([path], numbered) if not each.exists())


def tool_labels(entries: Iterable[ReviewedFrame]) -> list[str]:
    """Return the labels that a person may choose from, sorted.

    What an anomaly model calls a defect is left out: it is not a class, so a person has to name one.
    """
    found = {label for entry in entries for label in entry.labels if not (entry.is_anomaly and label == entry.guess)}
    return sorted(label for label in found if may_be_folder(label))
