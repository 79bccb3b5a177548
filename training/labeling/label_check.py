"""Checks the labels that people gave to frames, so that a misspelt label does not become a class."""

from collections import defaultdict

from stripwatch.training.datasets.alike_labels import spelling_difference
from stripwatch.training.datasets.formats.problems import Problems, nearest_text
from stripwatch.training.datasets.reviewed_folder import (
    NOVEL,
    SKIP,
    UNSORTED,
    FrameFiles,
    ReviewedFrame,
    may_be_folder,
)
from stripwatch.worker.contracts.model.clean_labels import label_key


class LabelCheck:
    """Collects the labels of many frames, and reports all that are not valid, not known, or misspelt."""

    def __init__(self, entries: dict[str, ReviewedFrame], files: FrameFiles, new_labels: bool) -> None:
        """Take the known labels from the frames of a folder.

        new_labels: accept labels that the models which published the frames do not know.
        """
        self._known = {label for entry in entries.values() for label in entry.labels}
        folders = {files.file_of(name).partition("/")[0] for name in entries}
        self._used = {folder for folder in folders if may_be_folder(folder)}
        self._new_labels = new_labels
        self._places: dict[str, list[str]] = defaultdict(list)

    def note(self, label: str, where: str) -> None:
        """Note a label of a frame. where: file, line or task for messages."""
        if label != SKIP:
            self._places[label].append(where)

    def report(self, problems: Problems) -> None:
        """Add a problem for each label that is not accepted, with the nearest name."""
        new: dict[str, list[str]] = defaultdict(list)
        for label in self._places:
            if problem := self._problem(label):
                problems.add(f"{self._where(label)}{problem}")
            elif label not in self._known | self._used:
                new[label_key(label)].append(label)
        for labels in new.values():
            if len(labels) > 1:
                named = " and ".join(f"{label!r} ({self._where(label)})" for label in labels)
                problems.add(f"the new labels {named} look alike{spelling_difference(labels)}; use one spelling")

    def _where(self, label: str) -> str:
        first, *others = self._places[label]
        return f"{first} and {len(others)} more" if others else first

    def _problem(self, label: str) -> str:
        """Return why a label is not accepted, as the end of a sentence; "" if it is."""
        if label == NOVEL:
            return (
                f" is not sorted yet: move each frame in {UNSORTED}/{NOVEL} to the folder of its class in {UNSORTED}, "
                f"to a new folder if it shows a new kind of defect (then use --new-labels), or to {UNSORTED}/{SKIP}"
            )
        if not may_be_folder(label):
            return (
                f": {label!r} is not a valid label; labels are folder names without slashes that do not begin with "
                "'.' or '_'"
            )
        if label in self._known or (self._new_labels and label in self._used):
            return ""
        if twin := self._twin(label):
            owner = "the model has" if twin in self._known else "the folder has"
            return (
                f": {owner} no label {label!r}; did you mean {twin!r}? The names look alike"
                f"{spelling_difference([label, twin])}; use the same spelling"
            )
        if self._new_labels:
            return ""
        hint = nearest_text(label, self._known) or f"; known labels are {', '.join(sorted(self._known))}."
        return f": the model has no label {label!r}{hint} Use --new-labels to accept it"

    def _twin(self, label: str) -> str | None:
        """Return a label that looks like this one: of the model, or with --new-labels of labelled frames."""
        candidates = [*sorted(self._known), *(sorted(self._used) if self._new_labels else [])]
        return next((each for each in candidates if label_key(each) == label_key(label)), None)
