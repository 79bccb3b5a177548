"""The classes that models have, to find settings for classes that do not exist."""

from collections.abc import Iterable

_LABELS_MAX = 1_000


class ModelLabels:
    """Collects the classes of all models from their results. A result states the score of each class of its model."""

    def __init__(self) -> None:
        self._labels: set[str] = set()

    def add(self, labels: frozenset[str]) -> None:
        """Add the classes of the model of one result."""
        if len(self._labels) < _LABELS_MAX:
            self._labels |= labels

    def missing(self, configured: Iterable[str]) -> list[str]:
        """Return the configured classes that no model has, sorted; none as long as no model is known."""
        return sorted(set(configured) - self._labels) if self._labels else []
