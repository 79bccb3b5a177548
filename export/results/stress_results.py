"""Schema of the results of a stress test, in evaluation.json."""

from collections.abc import Sequence
from dataclasses import fields

import msgspec

from stripwatch.worker.contracts.model.model_record import WithstoodChange
from stripwatch.worker.images.image_statistics import FrameStatistics

CONFIDENTLY_WRONG_MAX = 0.02
CERTAIN_SHARE_MIN = 0.9


class StressPoint(msgspec.Struct, frozen=True):
    """Verdicts on the frames at one strength of a change.

    strength: in the unit of the change. frames: number of frames. right: frames whose labels are all predicted
    correctly, certain or not. certain_right: frames with a certain verdict that is right. confidently_wrong: frames
    with a certain verdict that is wrong. novel: frames above the threshold of the novelty score; they are unsure.
    statistics: mean image statistics of the frames as the model receives them.
    """

    strength: float
    frames: int
    right: int
    certain_right: int
    confidently_wrong: int
    novel: int
    statistics: FrameStatistics

    @property
    def unsure(self) -> int:
        """Number of frames with the verdict `unsure`."""
        return self.frames - self.certain_right - self.confidently_wrong

    @classmethod
    def pool(cls, points: Sequence["StressPoint"]) -> "StressPoint":
        """Add up the counts of several models at the same strength, and average the statistics over all frames."""
        frames = sum(point.frames for point in points)
        means = {each.name: cls._mean(points, each.name) for each in fields(FrameStatistics)}
        names = ("right", "certain_right", "confidently_wrong", "novel")
        counts = {name: sum(getattr(point, name) for point in points) for name in names}
        statistics = FrameStatistics(**means)  # type: ignore[arg-type]  # only the noise can be unknown
        return cls(points[0].strength, frames, **counts, statistics=statistics)

    @staticmethod
    def _mean(points: Sequence["StressPoint"], statistic: str) -> float | None:
        """Return the mean of a statistic over all frames; None if a version that measured a point did not know it."""
        values = [getattr(point.statistics, statistic) for point in points]
        if None in values:
            return None
        total = sum(point.frames * value for point, value in zip(points, values, strict=True))
        return float(total / sum(point.frames for point in points))


class StressChange(msgspec.Struct, frozen=True):
    """Results for one kind of change.

    name: as in the report. unit: of the strength. points: from the mildest to the strongest. reliable_to: the last
    strength before the model stops being reliable; None if it fails at the mildest. fails_at: the first strength at
    which it is not reliable; None if it withstands all of them.
    """

    name: str
    unit: str
    points: list[StressPoint]
    reliable_to: float | None
    fails_at: float | None

    @classmethod
    def of(cls, name: str, unit: str, points: list[StressPoint], unchanged: StressPoint) -> "StressChange":
        """Find the limits. unchanged: the same frames without a change."""
        failing = next((at for at, point in enumerate(points) if not is_reliable(point, unchanged)), len(points))
        reliable_to = points[failing - 1].strength if failing else None
        fails_at = points[failing].strength if failing < len(points) else None
        return cls(name, unit, points, reliable_to, fails_at)

    @property
    def limits(self) -> WithstoodChange:
        """Return the limits, without the counts."""
        return WithstoodChange(self.unit, self.reliable_to, self.fails_at)


class StressResults(msgspec.Struct, frozen=True):
    """What a model withstands.

    frames: number of frames that were changed. unchanged: results without a change. changes: in the order of the
    report.
    """

    frames: int
    unchanged: StressPoint
    changes: list[StressChange]

    @classmethod
    def pool(cls, results: Sequence["StressResults"]) -> "StressResults":
        """Combine the results of several models, such as those of the folds of a cross-validation.

        All of them have the same changes and strengths. The limits are those of the pooled counts.
        """
        unchanged = StressPoint.pool([each.unchanged for each in results])
        changes = []
        for alike in zip(*(each.changes for each in results), strict=True):
            strengths = zip(*(each.points for each in alike), strict=True)
            points = [StressPoint.pool(each) for each in strengths]
            changes.append(StressChange.of(alike[0].name, alike[0].unit, points, unchanged))
        return cls(unchanged.frames, unchanged, changes)

    @property
    def limits(self) -> dict[str, WithstoodChange]:
        """Return the limits that a bundle keeps, by name of the change."""
        return {each.name: each.limits for each in self.changes}


def is_reliable(point: StressPoint, unchanged: StressPoint) -> bool:
    """Return whether the model is reliable at this strength.

    At most 2 % of the frames are confidently wrong, or no more than without a change. And at least 90 % as many frames
    are right and certain as without a change. A model that is right and certain on no frame is reliable nowhere.
    """
    if not unchanged.certain_right:
        return False
    wrong_max = max(CONFIDENTLY_WRONG_MAX * point.frames, unchanged.confidently_wrong)
    return point.confidently_wrong <= wrong_max and point.certain_right >= CERTAIN_SHARE_MIN * unchanged.certain_right


def limits_text(change: WithstoodChange) -> tuple[str, str]:
    """Return the strength to which a model is reliable and the one at which it fails, as text."""
    if not change.unit:  # a change without a strength
        return ("yes", "-") if change.fails_at is None else ("-", "always")
    reliable_to, fails_at = ("-" if each is None else f"{each:g}" for each in (change.reliable_to, change.fails_at))
    return reliable_to, fails_at
