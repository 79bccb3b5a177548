"""Checks of the classes of a data set: names, sizes, and how many independent images they have."""

from collections import Counter
from collections.abc import Iterator

from stripwatch.training.datasets.alike_labels import alike_notes
from stripwatch.training.datasets.dataset import no_clean_warning
from stripwatch.training.datasets.layouts import CAMERA_NAMES
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.worker.contracts.model.clean_labels import label_key

IMBALANCE_MAX = 20
_GROUPS_MIN = 10
_PLACEHOLDERS = frozenset(
    {"unknown", "unsorted", "unlabeled", "unlabelled", "untitled", "todo", "to do", "tmp", "temp", "misc", "unsure"}
    | {"not sure", "miscellaneous", "various", "new folder", "neuer ordner", "backup", "copy", "?"}
    | CAMERA_NAMES
)


def check_classes(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about the classes. An anomaly model has none of its own, so only their names are checked."""
    yield from _alike(data)
    yield from _placeholders(data)
    if data.task != "anomaly":
        yield from _clean(data)
        yield from _balance(data)
    yield from _groups(data)


def _alike(data: CheckedData) -> Iterator[Finding]:
    dataset = data.frames.dataset
    for group, note in zip(dataset.alike, alike_notes(dataset.alike, merged=False), strict=True):
        files = [name for label in group for name in data.names(list(data.members.get(label, [])))]
        yield make_finding("alike-labels", note.removeprefix("warning: "), files, remedy="")


def _placeholders(data: CheckedData) -> Iterator[Finding]:
    for label, members in data.members.items():
        if label_key(label) in _PLACEHOLDERS:
            what = f"the class {label!r} ({counted(len(members), 'image')}) is named like unsorted images"
            yield make_finding("placeholder-labels", what, data.names(members))


def _clean(data: CheckedData) -> Iterator[Finding]:
    if warning := no_clean_warning(data.frames.dataset, data.task, data.clean_label):
        yield make_finding("no-clean-images", warning, remedy="")


def _balance(data: CheckedData) -> Iterator[Finding]:
    counts = Counter({label: len(members) for label, members in data.members.items()})
    (most, largest), (least, smallest) = counts.most_common(1)[0], counts.most_common()[-1]
    if largest > IMBALANCE_MAX * smallest:
        what = f"the classes are imbalanced: {most} has {counted(largest, 'image')}, {least} has {smallest:,}"
        yield make_finding("imbalanced-classes", what, data.names(data.members[least]))


def _groups(data: CheckedData) -> Iterator[Finding]:
    """Yield the classes whose images are mostly copies, or from few coils."""
    texts, files = [], []
    for label, members in data.members.items():
        groups = len({data.frames.groups[at] for at in members})
        if groups < _GROUPS_MIN and 2 * groups <= len(members):
            texts.append(f"{label} ({counted(len(members), 'image')}, {counted(groups, 'group')})")
            files += data.names(members)
    if texts:
        what = "classes have few images that are independent of each other, without near duplicates and of other coils"
        yield make_finding("few-groups", f"{what}: {some(texts)}", files)
