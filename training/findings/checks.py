"""All checks of a data set, for the survey, and for commands that fit."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stripwatch.export.runs.run_folder import FitTask, Split
from stripwatch.training.annotations.reading import AnnotationSet
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.findings.boxes import check_boxes
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.findings.classes import check_classes
from stripwatch.training.findings.duplicates import check_duplicates, check_fixed_split, check_parts
from stripwatch.training.findings.files import check_files
from stripwatch.training.findings.folders import check_folders
from stripwatch.training.findings.grey_levels import check_grey_levels
from stripwatch.training.findings.splits import check_validation
from stripwatch.training.preparation.finding import Finding
from stripwatch.training.preparation.finding_kinds import LEVELS
from stripwatch.training.preparation.frame_set import FrameSet
from stripwatch.training.preparation.split_file import is_fit_request
from stripwatch.worker.common.terminal.console import say

_CHECKS = (check_folders, check_classes, check_duplicates, check_parts, check_boxes, check_grey_levels, check_files)


def check_data(data: CheckedData) -> Iterator[Finding]:
    """Yield the findings about a data set that do not depend on its split."""
    for check in _CHECKS:
        yield from check(data)


def by_level(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with errors first, then warnings, then notes."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


class FitCheck:
    """Checks the data of a fit, and prints its warnings.

    Args:
        dataset: The data set as it was read.
        task: Kind of the model.
        clean_label: Label that means "no defect", or None.
        annotations: Boxes and masks that the fit uses, or None.
        split: File of an earlier split, or None. If crossval or compare wrote it, nothing is printed, because they
            have printed the warnings once.
    """

    def __init__(
        self,
        dataset: DataSet,
        task: FitTask,
        clean_label: str | None,
        annotations: AnnotationSet | None = None,
        split: Path | None = None,
    ) -> None:
        self._task = task
        self._clean_label = clean_label
        self._annotations = annotations
        self._fixed = split is not None
        self._quiet = split is not None and is_fit_request(split)
        self._printed = {*dataset.notes, *(annotations.notes if annotations else ())}

    def check_frames(self, frames: FrameSet) -> None:
        """Print the warnings about all frames."""
        if not self._quiet:
            self._print(check_data(self._data(frames)))

    def check_split(self, frames: FrameSet, split: Split) -> None:
        """Print the warnings about the training and the validation part."""
        if self._quiet:
            return
        data = self._data(frames)
        if self._fixed:
            self._print(check_fixed_split(data, split))
        self._print(check_validation(data, [frame.labels for frame in split.validation]))

    def _data(self, frames: FrameSet) -> CheckedData:
        return CheckedData(frames, self._task, self._clean_label, self._annotations)

    def _print(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.level == "warning" and f"warning: {finding.text}" not in self._printed:
                say(finding.line)
