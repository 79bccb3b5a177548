"""A short soak; `python -m tests.soak` runs the long one, which also checks memory."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.soak.held import Held, held_by, pinned, slope, split_cores
from tests.soak.soak import LAG_GROWTH_S_MAX, RSS_GROWTH_MAX, Soak, soak

HELD = Held(rss_mb=100.0, threads=12, files=8, sockets=6)
SOUND = Soak(30.0, 1000.0, 800.0, 1_440_000, 1_440_000, 30, 30, [1], 95.0, 105.0, 0.5, 0.002, 0.01, 0.2, HELD, HELD, [])


def test_a_worker_whose_resources_do_not_grow_passes() -> None:
    assert SOUND.sound
    assert replace(SOUND, end=Held(90.0, 11, 7, 5)).sound


@pytest.mark.parametrize(
    "soaked",
    [
        replace(SOUND, rss_growth=RSS_GROWTH_MAX + 0.001),
        replace(SOUND, lag_growth_s=LAG_GROWTH_S_MAX + 0.01),
        replace(SOUND, lag_growth_s=-LAG_GROWTH_S_MAX - 0.01),
        replace(SOUND, end=replace(HELD, threads=13)),
        replace(SOUND, end=replace(HELD, files=9)),
        replace(SOUND, end=replace(HELD, sockets=7)),
        replace(SOUND, results=1_439_999),
        replace(SOUND, models_run=29),
    ],
)
def test_growth_or_missing_results_fail(soaked: Soak) -> None:
    assert not soaked.sound


def test_outliers_do_not_distort_the_slope() -> None:
    rising = [(float(second), 100 + second / 10) for second in range(0, 300, 5)]
    assert slope(rising) == pytest.approx(0.1)
    assert slope([(second, 100.0 if second != 295 else 900.0) for second, _ in rising]) == 0.0
    sawtooth = [(second, 100.0 + second % 60 / 6) for second, _ in rising]  # loading a model causes a peak
    assert abs(slope(sawtooth)) * 300 < 100 * RSS_GROWTH_MAX


def test_the_worker_has_separate_cores() -> None:
    own, others = split_cores()
    assert not set(own) & set(others)
    with pinned(own):
        assert not own or os.sched_getaffinity(0) == set(own)
    assert os.sched_getaffinity(0) == {*own, *others}


def test_counts_memory_sockets_and_files_of_a_process(tmp_path: Path) -> None:
    before = held_by(os.getpid())
    with socket.socket(), (tmp_path / "file").open("w"):
        during = held_by(os.getpid())
    assert (during.sockets, during.files) == (before.sockets + 1, before.files + 1)
    assert before.rss_mb > 10


@pytest.mark.long
@pytest.mark.kafka
def test_model_reloads_under_load_leave_no_resources_behind(apache_broker: BrokerHandle, tmp_path: Path) -> None:
    soaked = soak(apache_broker, tmp_path, minutes=0.25, swap_s=5)
    assert soaked.results == soaked.sent > 0
    assert soaked.models_run == soaked.models_placed == 3
    assert soaked.left_over == []
