import msgspec
import pytest

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.contracts.model.camera_limits import CameraLimit, check_camera_limits

LIMIT = CameraLimit("noise", 7.4, True, "noise", "grey levels", 4, 8)


def test_the_reason_names_the_stress_test() -> None:
    assert LIMIT.reason == "this model fails from noise 8 (grey levels)"
    withstood = msgspec.structs.replace(LIMIT, reliable_to=16, fails_at=None)
    assert withstood.reason == "this model was tested to noise 16 (grey levels) and is reliable there"
    usual = msgspec.structs.replace(LIMIT, usual=True)
    assert usual.reason == f"{LIMIT.reason}; the limit is where the middle 80 % of the training frames end"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_rejects_an_invalid_limit(value: float) -> None:
    check_camera_limits({"noisy": LIMIT})
    with pytest.raises(BundleError, match="limit of noise for 'noisy' is negative or not finite"):
        check_camera_limits({"noisy": msgspec.structs.replace(LIMIT, value=value)})


def test_rejects_a_limit_without_an_origin() -> None:
    with pytest.raises(BundleError, match="limit for 'noisy' states neither `reliable_to` nor `fails_at`"):
        check_camera_limits({"noisy": msgspec.structs.replace(LIMIT, reliable_to=None, fails_at=None)})
