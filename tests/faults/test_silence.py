"""Silences of constructed histories: each silence that is too long is found and attributed, and no other."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.faults.silence import BEYOND_S_MAX, Hit, Silence, longest, silences

HIT = Hit("kill", began_s=10.0, back_s=10.0, blamed_until_s=20.0, victims=frozenset({0}), healthy_s=3.0, victims_s=None)
BROKER = replace(HIT, fault="broker", back_s=15.0, victims=frozenset({0, 1}), healthy_s=0.0, victims_s=2.0)
Frame = tuple[int, float, float | None]


def steady(partition: int, *pauses: tuple[float, float]) -> list[Frame]:
    """Return frames every 100 ms until 30 s with outcomes after 50 ms, or at the end of a pause."""
    frames: list[Frame] = []
    for at in range(300):
        sent_s = at / 10
        done_s = sent_s + 0.05
        frames.append((partition, sent_s, next((end for begin, end in pauses if begin <= done_s < end), done_s)))
    return frames


def found(frames: list[Frame], *hits: Hit) -> list[Silence]:
    outcomes = [(partition, done_s) for partition, _, done_s in frames if done_s is not None]
    return silences(frames, outcomes, hits, end_s=40.0)


def too_long(silence: Silence) -> bool:
    return silence.beyond_s > BEYOND_S_MAX


def test_a_running_line_has_no_silence() -> None:
    assert max(one.seconds for one in found(steady(0), HIT)) == pytest.approx(0.05)
    assert not any(too_long(one) for one in found(steady(0)))


def test_a_partition_without_frames_is_not_silent() -> None:
    assert max(one.seconds for one in found([(0, 1.0, 1.1), (0, 30.0, 30.1)])) == pytest.approx(0.1)


@pytest.mark.parametrize(("seconds", "is_too_long"), [(3.5, False), (4.5, True)])
def test_a_healthy_partition_may_be_silent_for_as_long_as_kafka_needs(seconds: float, is_too_long: bool) -> None:
    most = longest(found(steady(1, (10.5, 10.5 + seconds)), HIT))["kill", False]
    assert most.seconds == pytest.approx(seconds, abs=0.11)
    assert (too_long(most), most.allowed_s, most.alone) == (is_too_long, HIT.healthy_s, True)


def test_reports_but_does_not_evaluate_partitions_of_a_dead_worker() -> None:
    most = longest(found(steady(0, (10.5, 25.0)), HIT))["kill", True]
    assert most.whole_s > 14
    assert (most.allowed_s, too_long(most)) == (None, False)


@pytest.mark.parametrize(("end_s", "is_too_long"), [(17.5, False), (18.5, True)])
def test_silence_after_a_kafka_fault_counts_from_its_recovery(end_s: float, is_too_long: bool) -> None:
    most = longest(found(steady(0, (10.5, end_s)), BROKER))["broker", True]
    assert most.seconds == pytest.approx(end_s - BROKER.back_s, abs=0.11)
    assert most.whole_s == pytest.approx(end_s - 10.5, abs=0.11)
    assert too_long(most) is is_too_long


def test_a_silence_without_any_fault_is_too_long_after_a_second() -> None:
    assert [one.fault for one in found(steady(0, (5.0, 5.0 + BEYOND_S_MAX + 0.2))) if too_long(one)] == [""]
    late = [one for one in found(steady(1, (22.0, 24.0)), HIT) if too_long(one)]
    assert [(one.fault, one.allowed_s) for one in late] == [("kill", 0.0)]


def test_allowed_times_of_two_faults_add_up_and_the_later_fault_is_named() -> None:
    later = replace(HIT, fault="later", began_s=12.0, blamed_until_s=22.0, victims=frozenset({3}))
    (most,) = [one for one in found(steady(1, (12.5, 18.0)), HIT, later) if one.seconds > 1]
    assert (most.fault, most.allowed_s, most.alone, too_long(most)) == ("later", 6.0, False, False)


def test_frames_without_an_outcome_are_a_silence_until_the_end() -> None:
    frames = [(0, sent_s, done_s if sent_s < 25 else None) for _, sent_s, done_s in steady(0)]
    (most,) = [one for one in found(frames, HIT) if too_long(one)]
    assert most.seconds == pytest.approx(15.0, abs=0.11)


def test_frames_of_a_deleted_topic_no_longer_wait() -> None:
    frames = [(0, 5.0, 6.0)]  # deleted at 6.0
    assert [round(one.seconds, 3) for one in silences(frames, [], [], end_s=40.0)] == [1.0]


def at_the_end(control: Sequence[float]) -> Silence:
    """Return a silence of 4.5 s, of which 3 s are allowed."""
    frames = steady(1, (10.5, 15.0))
    outcomes = [(partition, done_s) for partition, _, done_s in frames if done_s is not None]
    return max(silences(frames, outcomes, [HIT], end_s=40.0, control=control), key=lambda one: one.seconds)


def test_attributes_a_silence_to_the_machine_if_the_control_was_silent_too() -> None:
    busy = at_the_end([at / 10 for at in range(300) if not 110 < at < 125])
    assert busy.control_s == pytest.approx(1.5)
    assert too_long(busy)
    assert busy.by_machine(BEYOND_S_MAX)


def test_a_running_or_briefly_paused_control_does_not_excuse_a_silence() -> None:
    for gap in (0, 4, 9):
        silence = at_the_end([at / 10 for at in range(300) if not 110 < at < 111 + gap])
        assert too_long(silence)
        assert silence.by_machine(BEYOND_S_MAX) is (gap == 9)


def test_silences_of_the_control_at_other_times_do_not_count() -> None:
    silence = at_the_end([at / 10 for at in range(300) if not 160 < at < 290])
    assert silence.control_s == pytest.approx(0.1, abs=0.06)
    assert not silence.by_machine(BEYOND_S_MAX)
