from typing import Any

import pytest

from stripwatch.training.frontier.plan.requirement import parse_requirement
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.process.cores import usable_cores


def test_cameras_give_a_rate_and_a_frame_size() -> None:
    wanted = parse_requirement("12 x 30 fps 256x1600", None, 4, 0.7, 0.6)
    assert wanted is not None
    assert (wanted.frames_per_second, wanted.cameras, wanted.frame_px) == (360, 12, 256 * 1600)
    assert wanted.frame_ms_max == pytest.approx(1000 * 4 * 0.7 / 360)


def test_decoding_takes_as_many_times_as_long_as_the_frame_is_larger() -> None:
    wanted = parse_requirement("1 camera 10 fps 200x400", None, 1, 1.0, 0.5)
    assert wanted is not None
    assert wanted.frame_ms(decode_ms=1.0, inference_ms=3.0, data_px=40_000) == pytest.approx(2 * 1.0 + 3.0 + 0.5)


def test_a_rate_is_one_of_frames_like_those_of_the_data_set() -> None:
    wanted = parse_requirement(None, 100.0, 2, 0.5, 0.6)
    assert wanted is not None
    assert wanted.decode_factor(123) == 1.0
    assert wanted.frame_ms_max == pytest.approx(10.0)


def test_without_cameras_and_rate_nothing_is_required() -> None:
    assert parse_requirement(None, None) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cores": 4}, "--cores has no effect without --cameras or --frames-per-second"),
        ({"utilisation": 0.5}, "--utilisation has no effect"),
        ({"cores": 4, "other_ms": 0.0}, "--cores and --other-ms have no effect"),
    ],
)
def test_options_of_a_rate_need_a_rate(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_requirement(None, None, **given)


def test_the_cores_are_those_of_this_machine_unless_given() -> None:
    wanted = parse_requirement(None, 10.0)
    assert wanted is not None
    assert wanted.cores == usable_cores()


def test_cameras_and_rate_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="state the same thing; omit one of them"):
        parse_requirement("1 camera 10 fps 2x2", 10.0, 1, 0.7, 0.6)


def test_a_wrong_text_names_the_option() -> None:
    with pytest.raises(SettingsError, match="--cameras '12 cameras' states no frame rate"):
        parse_requirement("12 cameras", None, 1, 0.7, 0.6)


def test_refuses_an_empty_text_such_as_an_unset_variable() -> None:
    with pytest.raises(SettingsError, match="--cameras"):
        parse_requirement("", None, 1, 0.7, 0.6)
