from stripwatch.worker.coils.tracking.camera_clocks import CameraClocks
from tests.worker.coils.samples import observation

HOUR_MS = 3_600_000
BEGIN_MS = 1_700_000_000_000


def common_ms(clocks: CameraClocks, at_ms: int, behind_ms: int, delay_ms: int = 20, replay: bool = False) -> int:
    """Build an observation captured `at_ms` after BEGIN_MS by a slow clock, with its result after `delay_ms`."""
    moment = observation(
        captured_ms=BEGIN_MS + at_ms - behind_ms,
        recorded_ms=BEGIN_MS + at_ms + delay_ms,
        replay_of="r" if replay else None,
    )
    return clocks.common_ms(moment) - BEGIN_MS


def test_corrects_a_slow_clock_but_not_for_a_late_result() -> None:
    clocks = CameraClocks()
    assert common_ms(clocks, 0, 300_000) == 20
    assert common_ms(clocks, 1000, 300_000) == 1020
    assert common_ms(clocks, 2000, 300_000, delay_ms=60_000) == 2020


def test_clock_set_forward_counts_at_once_and_clock_set_back_after_a_day() -> None:
    clocks = CameraClocks()
    common_ms(clocks, 0, 300_000)
    assert common_ms(clocks, 1000, 0) == 1020
    assert common_ms(clocks, 2000, 300_000) == 2020 - 300_000
    for hour in range(0, 26, 13):
        common_ms(clocks, hour * HOUR_MS, 300_000)
    assert common_ms(clocks, 27 * HOUR_MS, 300_000) == 27 * HOUR_MS + 20


def test_replay_does_not_affect_the_clock() -> None:
    clocks = CameraClocks()
    assert common_ms(clocks, 0, 0, delay_ms=24 * HOUR_MS, replay=True) == 0
    assert common_ms(clocks, 1000, 0) == 1020
    assert common_ms(clocks, 0, 0, delay_ms=24 * HOUR_MS, replay=True) == 20


def test_memory_stays_bounded_with_endless_new_names() -> None:
    clocks = CameraClocks()
    for number in range(3_000):
        clocks.common_ms(observation(camera=f"c{number}", recorded_ms=2000))
    assert len(clocks._delays) == 1_000
