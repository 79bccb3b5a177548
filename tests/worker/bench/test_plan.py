"""Plans of cameras: parsing, the number of machines, partitions by a hash of the key, and the sentence."""

import math
from dataclasses import asdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stripwatch.worker.bench.plan import PlanAnswer, best_spread, fit, parse_plan, spread
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.contracts.line.camera_plan import LOAD_MAX, CameraPlan

rates = st.floats(0.1, 1000)
TOP = [f"top-{number}" for number in range(1, 13)]


def answer(*runs: float, cameras: int = 12, rate_fps: float = 30.0) -> PlanAnswer:
    ids = [f"top-{number}" for number in range(1, cameras + 1)]
    return PlanAnswer(CameraPlan(cameras, rate_fps, "256x1600"), runs, 8, "decoding", ids)


@pytest.mark.parametrize(
    "text",
    [
        "12 cameras 30 fps 256x1600",
        "12 cameras at 30 frames/s, 256 x 1600 px",
        "12 cams with 30.0 FPS each; 256\u00d71600",
        "256x1600 pixels, 30 Hz, 12 cameras",
        "12cameras of 256x1600 at 30 images per second per camera",
        "12 x 30 fps 256x1600",
        "256x1600, 12x30.0fps",
    ],
)
def test_understands_a_plan_in_any_order(text: str) -> None:
    assert parse_plan(text) == CameraPlan(12, 30, "256x1600")


def test_a_single_slow_camera_is_a_plan() -> None:
    assert parse_plan("1 camera 0.5 fps 200x200") == CameraPlan(1, 0.5, "200x200")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no number of cameras, such as '12 cameras'"),
        ("12 cameras", "no frame rate, such as '30 fps'"),
        ("12 cameras 30 fps", "no frame size, such as '256x1600'"),
        ("0 cameras 30 fps 200x200", "the number of cameras must be above 0"),
        ("2 cameras 0 fps 200x200", "the frame rate must be above 0"),
        ("2 cameras 5 fps 0x200", "the frame size must be above 0"),
        ("2 cameras 3 cameras 5 fps 2x2", "more than one number of cameras"),
        ("2 cameras 5 fps 2x2 tomorrow", "'tomorrow', which is not understood"),
        ("123456 cameras 5 fps 2x2", "no number of cameras"),
    ],
)
def test_an_invalid_plan_gets_an_error_that_names_the_part(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match="--plan") as raised:
        parse_plan(text)
    assert why in str(raised.value)


@given(st.integers(1, 500), rates, st.floats(1, 10_000))
@example(1, 1 / 3, 90.0)  # 0.7 * 90 is slightly less than 63
def test_machines_suffice_and_none_exceeds_the_load_limit(cameras: int, rate: float, capacity: float) -> None:
    found = fit(CameraPlan(cameras, rate, "200x200"), capacity)
    assert found.load == pytest.approx(cameras * rate / capacity)
    rounding = 1 + 1e-9
    assert found.cameras_max * rate <= LOAD_MAX * capacity * rounding
    assert LOAD_MAX * capacity < (found.cameras_max + 1) * rate * rounding
    if found.machines is None:
        assert found.cameras_max == 0
    else:
        assert found.machines == math.ceil(cameras / found.cameras_max)


def test_the_hash_of_twelve_cameras_fills_six_of_twelve_partitions() -> None:
    """The guide to partitions states these numbers."""
    assert (spread(TOP, 12).filled, spread(TOP, 12).most) == (6, 4)
    assert (spread(TOP, 16).filled, spread(TOP, 16).most) == (10, 2)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=30).map(sorted))
def test_the_recommended_number_is_at_least_as_even_as_one_partition_per_camera(ids: list[str]) -> None:
    best = best_spread(ids)
    assert len(ids) <= best.partitions <= 2 * len(ids)
    assert best == spread(ids, best.partitions)
    assert best.most <= spread(ids, len(ids)).most
    assert math.ceil(len(ids) / best.most) <= best.filled <= len(ids)


def test_answers_in_one_sentence() -> None:
    assert answer(380, 400, 410).sentence() == (
        "12 cameras at 30 frames/s (256x1600 px) need 2 machines like this one (8 cores each), 12 partitions; "
        "the bottleneck is decoding; measured +-5 % over 3 repetitions."
    )


def test_states_the_range_of_machines_if_the_repetitions_disagree() -> None:
    assert "+-40 % over 3 repetitions, so between 2 and 3 machines." in answer(240, 400, 420).sentence()
    assert "by the slowest, such a machine is too slow for one camera" in answer(20, 400, 420).sentence()


def test_one_repetition_has_no_uncertainty() -> None:
    assert answer(400).uncertainty is None
    assert "the uncertainty is unknown" in answer(400).sentence()


def test_says_that_no_machine_is_fast_enough() -> None:
    sentence = answer(20, 20, cameras=1).sentence()
    assert sentence.startswith("1 camera at 30 frames/s (256x1600 px) does not fit on machines like this one")
    assert "one of them needs 30 of at most 14.0 frames/s" in sentence
    assert answer(20, 20, cameras=1).facts()["machines"] == "none is fast enough"


def test_the_json_has_the_sentence_and_its_figures() -> None:
    found = answer(380, 400, 410).summary()
    assert (found["answer"], found["machines"], found["load_max"]) == (answer(380, 400, 410).sentence(), 2, 0.7)
    assert (found["uncertainty"], found["partitions"]) == (0.05, 12)
    assert found["partitions_by_key"] == asdict(best_spread(TOP))


def test_an_even_number_of_repetitions_promises_the_slower_one_of_the_two_in_the_middle() -> None:
    assert answer(100, 180).capacity_fps == 100
    assert answer(90, 200, 100, 180).capacity_fps == 100
