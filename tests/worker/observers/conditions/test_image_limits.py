import pytest
from msgspec.structs import replace

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.model.reference import Spread
from stripwatch.worker.observers.conditions.image_limits import ImageLimit, image_limits
from tests.tiny import TINY_REFERENCE

REFERENCE = replace(TINY_REFERENCE, noise=Spread(2.0, 0.5))
NOISY = CameraLimit("noise", 7.4, True, "noise", "standard deviation in grey levels", 4, 8)
DARK = CameraLimit("brightness", 90.0, False, "darker", "factor", 0.8, 0.6)
OF_MODEL = {"noisy": NOISY, "dark": DARK}


def test_a_limit_of_the_model_applies_and_names_its_origin() -> None:
    limits = image_limits(DriftSettings(), REFERENCE, OF_MODEL)
    assert limits["noisy"].describe({"noise": 9.12}) == (
        "noise 9.12, limit above 7.4: this model fails from noise 8 (standard deviation in grey levels)"
    )
    assert (limits["dark"].value, limits["dark"].above) == (90, False)
    assert limits["blurred"].value == pytest.approx(0.5 * 0.013)  # the bundle states none, so the ratio applies


def test_without_limits_of_the_model_the_default_ratios_apply() -> None:
    for settings, of_model in ((DriftSettings(), None), (DriftSettings(model_limits=False), OF_MODEL)):
        limits = image_limits(settings, REFERENCE, of_model)
        assert {name: limit.value for name, limit in limits.items()} == pytest.approx(
            {"dark": 0.3 * 127.5, "bright": 255 - 0.3 * 127.5, "blurred": 0.5 * 0.013}
        )


def test_a_ratio_in_the_settings_replaces_the_limit_of_the_model() -> None:
    settings = DriftSettings(dark_ratio=0.5, noisy_ratio=3, low_contrast_ratio=0.4)
    limits = image_limits(settings, REFERENCE, OF_MODEL)
    assert (limits["dark"].value, limits["dark"].reason) == (63.75, "drift.dark_ratio 0.5 of the training frames")
    assert (limits["noisy"].value, limits["noisy"].above) == (6.0, True)
    assert limits["low_contrast"].value == pytest.approx(1.2)


def test_without_a_reference_only_light_has_limits() -> None:
    limits = image_limits(DriftSettings(noisy_ratio=3), None, None)
    assert {name: limit.value for name, limit in limits.items()} == {"dark": 10, "bright": 245}


def test_conditions_and_statistics_of_later_versions_are_ignored() -> None:
    later = {"noisy": replace(NOISY, statistic="grain"), "dirty": NOISY}
    assert image_limits(DriftSettings(), REFERENCE, later).keys() == {"dark", "bright", "blurred"}


def test_a_statistic_that_was_not_measured_exceeds_no_limit() -> None:
    assert not ImageLimit("noise", 7.4, True, "").is_exceeded({"brightness": 100})
