"""Class names that look alike: they differ only in case, blanks, separators or the encoding of accents."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.contracts.model.clean_labels import label_key


def find_alike(samples: Iterable[Sample]) -> list[dict[str, int]]:
    """Return the groups of labels that look alike, with the number of images, the preferred spelling first.

    Preferred is the spelling of most images among those without surrounding blanks and with composed accents.
    """
    counts = Counter(label for sample in samples for label in sample.labels)
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        groups[label_key(label)].append(label)
    return [
        {label: counts[label] for label in sorted(labels, key=lambda label: (not _is_tidy(label), -counts[label]))}
        for labels in groups.values()
        if len(labels) > 1
    ]


def merge_alike(samples: Iterable[Sample], groups: Iterable[Mapping[str, int]]) -> list[Sample]:
    """Return the samples with the preferred spelling of each label."""
    spelling = {label: next(iter(group)) for group in groups for label in group}
    return [
        replace(sample, labels=tuple(sorted({spelling.get(label, label) for label in sample.labels})))
        for sample in samples
    ]


def alike_notes(groups: Iterable[Mapping[str, int]], merged: bool) -> list[str]:
    """Return a message for each group of labels that look alike."""
    notes = []
    for group in groups:
        names = " and ".join(f"{label!r} ({count})" for label, count in group.items())
        first = next(iter(group))
        if merged:
            notes.append(f"note: the classes {names} are merged into {first!r}")
        else:
            notes.append(
                f"warning: the class names {names} look alike{spelling_difference(group)} but are different classes; "
                f"pass --merge-labels to merge them into {first!r}, or rename the folders or labels"
            )
    return notes


def spelling_difference(group: Iterable[str]) -> str:
    """Return what a reader cannot see: blanks at the end, or accents that are stored in two ways. "" for neither."""
    labels = list(group)
    if any(label != label.strip() for label in labels):
        return " (blanks at the beginning or end)"
    if len({unicodedata.normalize("NFC", label) for label in labels}) < len(labels):
        return " (an accent is stored as one character or as two)"
    return ""


def _is_tidy(label: str) -> bool:
    return label == unicodedata.normalize("NFC", label).strip()
