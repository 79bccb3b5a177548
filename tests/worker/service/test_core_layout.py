"""Which layouts are tried, and which one is chosen."""

import pytest

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service.core_layout import CoreLayout, Trial, candidates, choose

ONE, FOUR, EIGHT = CoreLayout(1, 0, 0), CoreLayout(4, 2, 2), CoreLayout(8, 1, 1)


@pytest.mark.parametrize(
    ("given", "gpus", "layouts"),
    [
        ({}, 0, [ONE]),
        ({"processes": "auto"}, 0, [ONE, FOUR, EIGHT]),
        ({"processes": "auto"}, 1, [ONE]),
        ({"processes": "auto"}, 4, [FOUR]),
        ({"processes": 2}, 0, [CoreLayout(2, 4, 4)]),
        ({"processes": 16}, 0, [CoreLayout(16, 1, 1)]),
        ({"processes": 3}, 1, [CoreLayout(3, 2, 2)]),
        ({"processes": 2, "inference_threads": 1, "decode_threads": 3}, 0, [CoreLayout(2, 1, 3)]),
    ],
)
def test_unset_threads_are_an_equal_share_of_the_cores(
    given: dict[str, object], gpus: int, layouts: list[CoreLayout]
) -> None:
    assert candidates(load_settings(None, given), cores=8, gpus=gpus) == layouts


@pytest.mark.parametrize(("cores", "processes"), [(1, [1]), (2, [1, 2]), (3, [1, 3]), (4, [1, 2, 4])])
def test_few_cores_leave_few_layouts(cores: int, processes: list[int]) -> None:
    found = candidates(load_settings(None, {"processes": "auto"}), cores, gpus=0)
    assert [one.processes for one in found] == processes


@pytest.mark.parametrize(
    ("rates", "taken"),
    [
        ((900, 1000, 1400), EIGHT),
        ((20, 22, 30), EIGHT),
        ((30, 22, 20), ONE),
        ((29, 30, 31), ONE),  # a tie at a low rate: least memory
        ((29, 20, 31), ONE),
        ((980, 1000, 950), EIGHT),  # a tie at a high rate: the GIL is not shared
        ((800, 1000, 950), EIGHT),
    ],
)
def test_chooses_the_fastest_and_breaks_ties_by_frame_rate(rates: tuple[float, ...], taken: CoreLayout) -> None:
    assert choose([Trial(one, fps) for one, fps in zip((ONE, FOUR, EIGHT), rates, strict=True)]) == taken
