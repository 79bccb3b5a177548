"""What the checks of a data set read."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from stripwatch.export.runs.run_folder import FitTask
from stripwatch.training.annotations.reading import AnnotationSet
from stripwatch.training.datasets.dataset import CLEAN
from stripwatch.training.preparation.frame_set import FrameSet


@dataclass(frozen=True, slots=True)
class CheckedData:
    """A data set and the settings that decide what is right for it.

    clean_label: the label that means "no defect", or None if it was not stated. annotations: None if none are used.
    """

    frames: FrameSet
    task: FitTask = "multiclass"
    clean_label: str | None = None
    annotations: AnnotationSet | None = None
    members: Mapping[str, list[int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        members: dict[str, list[int]] = defaultdict(list)
        for at, sample in enumerate(self.frames.samples):
            for label in sample.labels or (self.clean_label or CLEAN,):
                members[label].append(at)
        object.__setattr__(self, "members", dict(sorted(members.items())))

    def names(self, positions: list[int]) -> list[str]:
        """Return the names of images by their positions."""
        return [self.frames.samples[at].name for at in positions]
