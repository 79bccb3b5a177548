"""Checks of the split into training and validation part: classes that are too small to validate."""

from collections import Counter
from collections.abc import Iterator, Sequence

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.training.datasets.dataset import CLEAN
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.finding import Finding, make_finding, some
from stripwatch.training.preparation.stratified_split import split_frames
from stripwatch.worker.common.errors import DataError

_VALIDATION_MIN = 10


def check_usual_split(data: CheckedData, val_share: float, seed: int) -> Iterator[Finding]:
    """Yield findings about the split that `fit` would make, with an error if it is impossible."""
    label_sets = [sample.labels for sample in data.frames.samples]
    try:
        parts = split_frames(label_sets, data.frames.groups, val_share, seed, data.task == "multiclass")
    except DataError as error:
        yield make_finding("class-in-one-group", str(error), remedy="")
        return
    yield from check_validation(data, [label_sets[at] for at in parts.validation])


def check_validation(data: CheckedData, validation: Sequence[tuple[str, ...]]) -> Iterator[Finding]:
    """Yield a finding if classes have few validation images. validation: labels of the validation images."""
    if data.task == "anomaly":
        return
    counts = Counter(label for labels in validation for label in labels or (data.clean_label or CLEAN,))
    small = {label: counts[label] for label in data.members if counts[label] < _VALIDATION_MIN}
    if small:
        fewest = max(min(small.values()), 1)
        low = share_interval(fewest, fewest).low
        texts = [f"{label} ({count} of {len(data.members[label]):,})" for label, count in small.items()]
        files = [name for label in small for name in data.names(data.members[label])]
        what = (
            f"classes with fewer than {_VALIDATION_MIN} validation images: {some(texts)}. Their figures are uncertain: "
            f"{fewest} of {fewest} correct has a 95 % interval from {100 * low:.0f} % to 100 %"
        )
        yield make_finding("small-classes", what, files)
