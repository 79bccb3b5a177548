import pytest
from msgspec.structs import replace

from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.images.image_statistics import Statistic
from stripwatch.worker.model.reference import Spread
from stripwatch.worker.observers.conditions.image_conditions import image_conditions
from stripwatch.worker.observers.conditions.image_limits import ImageLimit
from tests.tiny import TINY_REFERENCE

REFERENCE = replace(
    TINY_REFERENCE, brightness=Spread(100, 5), contrast=Spread(20, 2), sharpness=Spread(0.04, 0.005), noise=Spread(2, 1)
)
LIMITS: dict[Condition, ImageLimit] = {
    "dark": ImageLimit("brightness", 50, False, ""),
    "bright": ImageLimit("brightness", 180, True, ""),
    "low_contrast": ImageLimit("contrast", 10, False, ""),
    "noisy": ImageLimit("noise", 3, True, ""),
    "blurred": ImageLimit("sharpness", 0.03, False, ""),
}


def holding(brightness: float, contrast: float, sharpness: float, noise: float) -> list[Condition]:
    statistics: dict[Statistic, float] = {
        "brightness": brightness, "contrast": contrast, "sharpness": sharpness, "noise": noise,
    }  # fmt: skip
    return [name for name, holds in image_conditions(statistics, LIMITS, REFERENCE).items() if holds]


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        ((100, 20, 0.04, 2), []),
        ((40, 8, 0.04, 0.8), ["dark"]),
        ((40, 8, 0.08, 5), ["dark", "noisy"]),  # a high gain in too little light
        ((60, 9, 0.04, 1.2), []),  # less light lowers the contrast
        ((190, 5, 0.01, 4), ["bright"]),
        ((160, 32, 0.04, 3.2), []),  # more light amplifies the texture
        ((100, 20, 0.1, 5), ["noisy"]),
        ((100, 19, 0.02, 0.4), ["blurred"]),
        ((100, 9, 0.018, 0.9), ["low_contrast"]),
        ((100, 13, 0.026, 1.3), []),  # the contrast explains the sharpness
        ((100, 9, 0.008, 0.3), ["low_contrast", "blurred"]),
    ],
)
def test_names_the_cause(statistics: tuple[float, float, float, float], expected: list[Condition]) -> None:
    assert holding(*statistics) == expected


def test_without_a_limit_of_the_contrast_every_loss_of_sharpness_is_blur() -> None:
    limits: dict[Condition, ImageLimit] = {"blurred": LIMITS["blurred"]}
    hazy: dict[Statistic, float] = {"brightness": 100, "contrast": 9, "sharpness": 0.018}
    assert image_conditions(hazy, limits, REFERENCE) == {"blurred": True}
