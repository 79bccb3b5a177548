"""The running and the ended coils of the live page."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.coil_part import CoilPart
from stripwatch.worker.coils.tracking.coil_tracker import Added, CoilRules, CoilTracker
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.dashboard.state.coil_rows import coil_row
from stripwatch.worker.dashboard.state.page_rules import RULES
from stripwatch.worker.dashboard.state.strip_map import StripMap

COILS_MAX = 100
_RUNNING_ROWS_MAX = 20


class CoilList:
    """Summaries and strip maps of the running coils and of the newest ended ones. Not thread-safe.

    changes: number of times that an ended coil was added, corrected or reopened. draw: makes the map of a coil.
    A coil is cut if its first frames were not read.
    """

    def __init__(self, rules: CoilRules, draw: Callable[[CoilAggregate], StripMap]) -> None:
        self.changes = 0
        self._tracker = CoilTracker(rules)
        self._limits = rules.grading.limits
        self._draw = draw
        self._ended: OrderedDict[str, tuple[CoilSummary, StripMap, bool]] = OrderedDict()
        self._summaries: dict[CoilPart, tuple[int, CoilSummary]] = {}
        self._cut = WeakSet[CoilPart]()

    def add(self, observation: Observation, read_s: float) -> Added:
        """Add an observation to its coil."""
        added = self._tracker.add(observation, read_s)
        if added.outcome == "late" and added.part and not added.part.ended:  # the coil has reopened
            self.changes += self._ended.pop(added.part.log.id, None) is not None
        return added

    def mark_cut(self, part: CoilPart) -> None:
        """Note that the first frames of a coil were not read."""
        self._cut.add(part)

    def forget_summary(self, part: CoilPart) -> None:
        """Rebuild the summary of a coil when it is next needed, although the coil has no more frames than before."""
        self._summaries.pop(part, None)

    def close(self, now_s: float) -> None:
        """Summarize the coils that have ended by `now_s`, and update those that late frames have corrected."""
        for part in self._tracker.due(now_s):
            self._summaries.pop(part, None)
            self._ended[part.log.id] = part.summary(), self._draw(part.log), part in self._cut
            self.changes += 1
            while len(self._ended) > COILS_MAX:
                self._ended.popitem(last=False)

    @property
    def newest_ended(self) -> str | None:
        """Id of the coil that ended last; None without ended coils."""
        return next(reversed(self._ended), None)

    def ended(self) -> list[tuple[CoilSummary, bool]]:
        """Return the summaries of the ended coils, oldest first, each with whether the coil is cut."""
        return [(summary, is_cut) for summary, _, is_cut in self._ended.values()]

    def running(self) -> list[tuple[CoilSummary, bool]]:
        """Return the summaries of the running coils, oldest first, each with whether the coil is cut."""
        return [(self._summary(part), part in self._cut) for part in self._tracker.running]

    def ended_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the ended coils for the page."""
        return [coil_row(summary, is_cut, self._limits) for summary, is_cut in self.ended()]

    def running_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the newest running coils for the page."""
        parts = self._tracker.running[-_RUNNING_ROWS_MAX:]
        return [coil_row(self._summary(part), part in self._cut, self._limits) for part in parts]

    def coil(self, identity: str) -> tuple[CoilSummary, StripMap, bool] | None:
        """Return a coil's summary and map, and whether it is cut; None if it is unknown."""
        for part in self._tracker.running:
            if part.log.id == identity:
                return self._summary(part), self._draw(part.log), part in self._cut
        return self._ended.get(identity)

    def _summary(self, part: CoilPart) -> CoilSummary:
        """Return the summary of a running coil, rebuilt only if the coil has grown."""
        frames, summary = self._summaries.get(part, (0, None))
        if summary is None or frames != part.log.frames:
            summary = part.log.summary(revision=part.revision + 1)
            if len(self._summaries) > 2 * RULES.open_max:
                self._summaries.clear()
            self._summaries[part] = part.log.frames, summary
        return summary
