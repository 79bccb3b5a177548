"""Limits from stress tests, and the conditions that a worker derives from them for frames that are really changed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from stripwatch.export.results.camera_limits import Measured, derive_limits
from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.training.stress.changed_frames import changed_frame
from stripwatch.training.stress.changes import CHANGES
from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.images.image_statistics import STATISTICS, FrameStatistics, measure
from stripwatch.worker.model.reference import Reference, Spread
from stripwatch.worker.observers.drift import Baseline, CameraReport, Drift
from stripwatch.worker.simulator.scene import render

BY_NAME = {change.name: change for change in CHANGES}
CAUSES = ("darker", "brighter", "less contrast", "noise", "out of focus", "motion blur")
SPEC = DecodeSpec(96, 256, colour="grey")
HERE = Partition("frames", 0)


def point(strength: float, reliable: bool, **statistics: Any) -> StressPoint:
    usual: dict[str, Any] = {"brightness": 100.0, "contrast": 20.0, "sharpness": 0.04, "noise": 2.0}
    counts = (100, 0) if reliable else (50, 50)
    return StressPoint(strength, 100, counts[0], *counts, 0, FrameStatistics(**(usual | statistics)))


UNCHANGED = point(0, True)
TRAINED: Measured = {
    "brightness": np.linspace(95, 105, 101), "contrast": np.linspace(19, 21, 101),
    "sharpness": np.linspace(0.039, 0.041, 101), "noise": np.linspace(1, 3, 101),
}  # fmt: skip


def noise(*points: tuple[float, bool, float]) -> StressResults:
    """Results of a stress test with noise: strength, whether the model is reliable, and the measured noise."""
    tested = [point(strength, reliable, noise=measured) for strength, reliable, measured in points]
    return StressResults(100, UNCHANGED, [StressChange.of("noise", "grey levels", tested, UNCHANGED)])


def test_a_limit_lies_between_the_last_reliable_and_the_first_failing_strength() -> None:
    found = derive_limits(noise((4, True, 4), (8, False, 8), (16, False, 16)), TRAINED)
    assert found == {"noisy": CameraLimit("noise", 6.0, True, "noise", "grey levels", 4, 8)}


def test_a_model_that_fails_at_the_mildest_strength_has_a_limit_next_to_unchanged_frames() -> None:
    limit = derive_limits(noise((4, False, 5), (8, False, 8)), TRAINED)["noisy"]
    assert (limit.value, limit.reliable_to, limit.fails_at, limit.usual) == (3.5, None, 4, False)


def test_a_model_that_withstands_every_strength_has_its_limit_at_the_strongest_one() -> None:
    limit = derive_limits(noise((4, True, 4), (8, True, 8)), TRAINED)["noisy"]
    assert (limit.value, limit.reliable_to, limit.fails_at) == (8, 8, None)


def test_a_limit_is_never_inside_the_range_of_the_training_frames() -> None:
    limit = derive_limits(noise((1, False, 2.2)), TRAINED)["noisy"]
    assert limit.usual
    assert limit.value == pytest.approx(2.8)  # 90 % of them have less


def test_the_first_kind_of_blur_that_the_model_does_not_withstand_decides() -> None:
    kinds = [
        StressChange.of(name, "px", [point(2, False, sharpness=value)], UNCHANGED)
        for name, value in (("out of focus", 0.01), ("motion blur", 0.02))
    ]
    limit = derive_limits(StressResults(100, UNCHANGED, kinds), TRAINED)["blurred"]
    assert (limit.change, limit.above) == ("motion blur", False)
    assert limit.value == pytest.approx(0.03)


@pytest.mark.parametrize("measured", [None, 2.0, 1.5])
def test_a_statistic_that_does_not_react_to_the_change_has_no_limit(measured: float | None) -> None:
    tested = [point(8, False, noise=measured)]
    change = StressChange.of("noise", "grey levels", tested, UNCHANGED)
    assert derive_limits(StressResults(100, UNCHANGED, [change]), TRAINED) == {}


def frames(first: int) -> list[Pixels]:
    """Every second frame of a clean strip, from this one on. The light differs from frame to frame."""
    return [render("clean", SPEC.shape[:2], number).pixels[..., np.newaxis] for number in range(first, 60, 2)]


@pytest.fixture(scope="module")
def trained() -> list[Pixels]:
    return frames(0)


@pytest.fixture(scope="module")
def seen() -> list[Pixels]:
    """Frames that are not among those of the training."""
    return frames(1)


def changed(name: str, strength: float, pixels: Sequence[Pixels]) -> list[Pixels]:
    return [changed_frame(BY_NAME[name], strength, SPEC, each, str(at)) for at, each in enumerate(pixels)]


def columns(pixels: Sequence[Pixels]) -> Measured:
    measured = [measure(each) for each in pixels]
    return {name: np.array([getattr(each, name) for each in measured]) for name in STATISTICS}


def stress_of(trained: Sequence[Pixels], withstood: int) -> StressResults:
    """Results of a model that withstands this number of strengths of each change."""

    def tested(strength: float, pixels: Sequence[Pixels], reliable: bool) -> StressPoint:
        return point(strength, reliable, **{name: float(each.mean()) for name, each in columns(pixels).items()})

    unchanged = tested(0, trained, True)
    changes = []
    for name in CAUSES:
        strengths = enumerate(BY_NAME[name].strengths)
        points = [tested(each, changed(name, each, trained), at < withstood) for at, each in strengths]
        changes.append(StressChange.of(name, BY_NAME[name].unit, points, unchanged))
    return StressResults(100, unchanged, changes)


class Worker:
    """A worker whose bundle has the limits of a model."""

    def __init__(self, trained: Sequence[Pixels], withstood: int) -> None:
        measured = columns(trained)
        spreads: dict[str, Any] = {
            name: Spread(float(each.mean()), float(each.std())) for name, each in measured.items()
        }
        reference = Reference(frames=len(trained), **spreads, answers=0, classes={})
        self.limits = derive_limits(stress_of(trained, withstood), measured)
        self.baseline = Baseline("1", reference, camera_limits=self.limits)

    def report(self, pixels: Sequence[Pixels]) -> CameraReport:
        drift = Drift(DriftSettings(measured_frames=len(pixels)))
        for at, each in enumerate(pixels):
            drift.observe("top-1", HERE, self.baseline, b"%d" % at, measure(each))
        return drift.evaluate(0, True, [HERE])["top-1"]

    def conditions(self, pixels: Sequence[Pixels]) -> list[Condition]:
        return [name for name, holds in self.report(pixels).conditions.items() if holds and name != "drifting"]


@pytest.fixture(scope="module")
def workers(trained: list[Pixels]) -> tuple[Worker, Worker]:
    """Workers with a model that withstands one strength of each change, and with one that withstands one more."""
    return Worker(trained, 1), Worker(trained, 2)


def test_the_cause_is_named(workers: tuple[Worker, Worker], seen: list[Pixels]) -> None:
    weak = workers[0]
    assert weak.limits.keys() == {"dark", "bright", "low_contrast", "noisy", "blurred"}
    assert weak.conditions(seen) == []
    for name, strength, condition in (
        ("darker", 0.4, "dark"),
        ("brighter", 1.7, "bright"),
        ("less contrast", 0.3, "low_contrast"),
        ("noise", 16, "noisy"),
        ("out of focus", 2, "blurred"),
        ("motion blur", 9, "blurred"),
    ):
        assert weak.conditions(changed(name, strength, seen)) == [condition], name


def test_changes_that_the_model_withstands_are_no_condition(workers: tuple[Worker, Worker], seen: list[Pixels]) -> None:
    for name, strength in (("darker", 0.8), ("brighter", 1.2), ("noise", 2), ("out of focus", 0.5), ("dust", 0.002)):
        assert workers[0].conditions(changed(name, strength, seen)) == [], name


def test_a_model_that_withstands_more_alarms_later(workers: tuple[Worker, Worker], seen: list[Pixels]) -> None:
    weak, strong = workers
    for name, strength in (("darker", 0.6), ("noise", 4), ("motion blur", 5)):
        assert len(weak.conditions(changed(name, strength, seen))) == 1, name
        assert strong.conditions(changed(name, strength, seen)) == [], name
        harder = BY_NAME[name].strengths[2]
        assert len(strong.conditions(changed(name, harder, seen))) == 1, name


def test_the_report_states_the_value_the_limit_and_its_origin(
    workers: tuple[Worker, Worker], seen: list[Pixels]
) -> None:
    report = workers[0].report(changed("noise", 8, seen))
    detail = report.detail("noisy")
    assert detail is not None
    assert detail.startswith(f"noise {report.statistics['noise']:.3g}, limit above {report.limits['noisy'].value:.3g}")
    assert "this model fails from noise 4 (standard deviation in grey levels)" in detail
