from dataclasses import replace

import msgspec

from stripwatch.worker.coils.tracking.coil_part import EventSource
from stripwatch.worker.coils.tracking.coil_tracker import LAG_S_TARGET, CoilRules, CoilTracker
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.coils.tracking.published_coils import PublishedCoils
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.frame_info import StripSpan
from stripwatch.worker.contracts.positions import Partition
from tests.deploy.rules import rules as rules_of
from tests.worker.coils.samples import RULES, WIDE, frame, observation

P = Partition("p", 0)


def ends(tracker: CoilTracker, now_s: float) -> list[tuple[str | None, str | None]]:
    return [(part.log.coil, part.ended) for part in tracker.due(now_s)]


def test_coil_ends_when_the_next_one_runs_and_late_frames_had_time_to_arrive() -> None:
    tracker = CoilTracker(RULES)
    tracker.add(observation(0), 0.0)
    tracker.add(observation(1, coil="C2"), 1.0)
    tracker.add(observation(2, camera="top-2"), 6.0)
    assert ends(tracker, 15.9) == []
    assert ends(tracker, 16.0) == [("C1", "next-coil")]
    assert ends(tracker, 100.0) == []
    assert ends(tracker, 121.0) == [("C2", "silence")]


def test_coil_of_another_line_does_not_end_a_coil() -> None:
    tracker = CoilTracker(RULES)
    tracker.add(observation(0), 0.0)
    tracker.add(observation(1, line="/other", coil="C2"), 1.0)
    assert ends(tracker, 100.0) == []


def test_late_older_coil_does_not_end_the_newer_one() -> None:
    tracker = CoilTracker(RULES)
    tracker.add(observation(9, coil="C2"), 0.0)
    tracker.add(observation(0, coil="C1"), 1.0)
    assert ends(tracker, 20.0) == [("C1", "next-coil")]


def test_coil_continues_after_a_silence_as_a_separate_part() -> None:
    tracker = CoilTracker(RULES)
    tracker.add(frame(0), 0.0)
    (first,) = tracker.due(200.0)
    assert tracker.add(frame(0), 201.0).outcome == "repeat", "a repeat of a summarized frame"
    second = tracker.add(frame(201), 202.0)
    assert (second.outcome, second.part in (None, first)) == ("in-time", False)


def test_repeat_within_a_coil_is_recognized() -> None:
    tracker = CoilTracker(RULES)
    tracker.add(observation(0), 0.0)
    assert tracker.add(observation(0), 1.0).outcome == "repeat"


def test_endless_coil_ends_at_a_limit_and_continues_as_another_part() -> None:
    tracker = CoilTracker(RULES)
    for number in range(5):
        tracker.add(observation(number, coil=None), 0.0)
    assert ends(tracker, 0.0) == [(None, "limit")]
    assert tracker.add(observation(5, coil=None), 0.0).outcome == "in-time"
    assert tracker.add(observation(4, coil=None), 0.0).outcome == "repeat"
    assert len(list(tracker)) == 2


def run_two_coils(tracker: CoilTracker, held_up: range) -> CoilSummary:
    """Track C1 for 40 s and then C2, without the frames of C1 held by a killed worker. Return the summary of C1."""
    for second in range(100):
        if second not in held_up:
            coil = "C1" if second < 40 else "C2"
            tracker.add(frame(second, coil=coil), second, EventSource(P, second))
        if due := tracker.due(second):
            (part,) = due
            return part.summary()
    raise AssertionError("C1 did not end")


def test_coils_are_in_order_while_camera_clocks_are_being_learned() -> None:
    """The first results of a worker take longer than later ones."""
    tracker = CoilTracker(WIDE)
    tracker.add(frame(0, behind_s=300, recorded_s=3), 3)
    tracker.add(frame(1, behind_s=300, recorded_s=3, coil="C2"), 3)
    tracker.add(frame(2, behind_s=300, recorded_s=2.1, coil="C2"), 3)
    assert ends(tracker, 14) == [("C1", "next-coil")]


def test_late_frames_correct_the_summary_of_their_coil_once() -> None:
    tracker = CoilTracker(WIDE)
    before = run_two_coils(tracker, held_up=range(20, 30))
    assert (before.revision, before.frames.inspected, before.uncovered_mm, before.defects) == (1, 30, 1000, {})
    for second in range(20, 30):
        assert tracker.add(frame(second, bad=True, recorded_s=60 + second), 80 + second).outcome == "late"
        assert tracker.due(80 + second) == [], "corrections wait for further late frames"
    (part,) = tracker.due(119)
    after = part.summary()
    assert (after.id, after.revision, after.ended) == (before.id, 2, "next-coil")
    assert (after.frames.inspected, after.uncovered_mm, sum(after.defects.values())) == (40, 0, 10)
    assert tracker.due(120) == []


def test_late_frame_older_than_the_first_keeps_the_id() -> None:
    tracker = CoilTracker(WIDE)
    before = run_two_coils(tracker, held_up=range(5))
    tracker.add(frame(0, recorded_s=60), 60)
    (part,) = tracker.due(70)
    after = part.summary()
    assert (after.id, after.revision, after.strip_mm) == (before.id, 2, StripSpan(0, 4000))
    assert after.first_captured_at < before.first_captured_at


def test_frames_of_a_slow_clock_belong_to_the_part_running_at_their_arrival() -> None:
    """The clock is five minutes slow, and the stop takes three minutes."""
    tracker, summaries = CoilTracker(WIDE), []
    for second in range(800):
        summaries += [part.summary() for part in tracker.due(second)]
        if 300 <= second < 480 or second >= 600:
            continue
        tracker.add(frame(second), second)
        tracker.add(frame(second, second >= 480, behind_s=300, camera="top-2", recorded_s=second + 0.02), second)
    one, other = summaries
    assert (one.frames.inspected, one.defects, one.revision) == (600, {}, 1)
    assert (other.frames.inspected, other.cameras["top-2"].frames.inspected) == (240, 120)
    assert (other.strip_defects_total, other.defects) == (120, {"scratches": 120})


def test_coil_that_continues_after_a_worker_outage_is_one_coil() -> None:
    tracker = CoilTracker(WIDE)
    tracker.add(frame(0), 0)
    (part,) = tracker.due(130)
    for second in range(1, 100):
        assert tracker.add(frame(second, recorded_s=140), 140).part is part
    assert [running.ended for running in tracker.running] == [None], "the coil has reopened"
    assert [(one, one.summary().frames.inspected) for one in tracker.due(260)] == [(part, 100)]
    assert part.revision == 2


def test_late_frames_of_a_final_coil_are_a_supplement() -> None:
    tracker = CoilTracker(WIDE)
    first = run_two_coils(tracker, held_up=range(20, 30))
    tracker.due(400)
    assert [part.log.coil for part in tracker] == ["C2"], "C1 is final"
    assert tracker.add(frame(3), 401).outcome == "repeat", "its last frames are still known"
    for second in range(20, 30):
        assert tracker.add(frame(second, bad=True, recorded_s=402), 402).outcome == "supplement"
    (part,) = (part for part in tracker.due(600) if part.log.coil == "C1")
    extra = part.summary()
    assert (extra.supplement, extra.revision, extra.frames.inspected) == (True, 1, 10)
    assert extra.id != first.id
    assert sum(extra.defects.values()) == 10


def test_end_of_a_coil_that_arrives_after_it_is_final_is_a_supplement() -> None:
    """The workers were down for an hour. Frames captured after a silence form a separate part."""
    tracker = CoilTracker(WIDE)
    tracker.add(frame(0), 0)
    tracker.due(200)
    tracker.due(600)
    assert {tracker.add(frame(second, recorded_s=3600), 3600).outcome for second in range(1, 120)} == {"supplement"}
    assert tracker.add(frame(400, recorded_s=3600), 3600).outcome == "in-time"


def test_commits_wait_until_a_coil_can_no_longer_change() -> None:
    tracker = CoilTracker(WIDE)
    run_two_coils(tracker, held_up=range(0))
    assert tracker.first_offsets() == {P: 0}
    tracker.due(400)
    assert tracker.first_offsets() == {P: 40}


def test_two_parts_with_the_same_first_capture_time_have_different_ids() -> None:
    """The clock of the second part's camera is slow by the length of the stop."""
    tracker = CoilTracker(WIDE)
    tracker.add(frame(0), 0)
    (first,) = (part.summary() for part in tracker.due(200))
    assert tracker.due(700) == []
    second_frame = frame(900, behind_s=900, camera="top-2")
    tracker.add(second_frame, 900)
    (second,) = (part.summary() for part in tracker.due(1100))
    assert (first.first_captured_at, first.revision) == (second.first_captured_at, second.revision)
    assert first.id != second.id
    (other,) = (part.summary() for part in restarted([first], [second_frame], 0).due(1100))
    assert other.id == second.id, "also after a restart"


def restarted(summaries: list[CoilSummary], frames: list[Observation], read_before: int, first: int = 0) -> CoilTracker:
    """Return the tracker of a new process that knows the summaries and reads the frames from record `first` on.

    An earlier process had read the records before `read_before`.
    """
    published = PublishedCoils({P.name: first})
    for summary in summaries:
        published.add(msgspec.json.decode(msgspec.json.encode(summary), type=CoilSummary))
    tracker = CoilTracker(WIDE, published)
    for number, one in enumerate(frames, start=first):
        tracker.add(one, number, EventSource(P, number, number < read_before))
    return tracker


def test_restart_publishes_nothing_twice_and_continues_the_revisions() -> None:
    frames = [frame(second, bad=second % 7 == 0) for second in range(40)]
    tracker = restarted([], frames, 0)
    (part,) = tracker.due(200)
    first = part.summary()
    assert restarted([first], frames, 40).due(200) == []
    late = [*frames, frame(-3, bad=True, recorded_s=41)]
    (corrected,) = restarted([first], late, 40).due(200)
    second = corrected.summary()
    assert (second.id, second.revision, second.frames.inspected) == (first.id, 2, 41)
    assert restarted([first, second], late, 41).due(200) == []
    (again,) = restarted([first, second], [*late, frame(41, recorded_s=42)], 41).due(200)
    assert (again.summary().id, again.summary().revision) == (first.id, 3)


def test_restart_reads_only_unpublished_late_frames_again() -> None:
    tracker = CoilTracker(WIDE)
    run_two_coils(tracker, held_up=range(20, 30))
    tracker.due(400)
    tracker.add(frame(20, bad=True), 401, EventSource(P, 77))
    assert (tracker.first_unpublished(), tracker.first_offsets()) == ({P: 77}, {P: 40})
    assert [part.log.supplement for part in tracker.due(530)] == [True]
    assert tracker.first_unpublished() == {}


def test_rest_of_a_coil_that_was_final_before_a_restart_is_a_supplement() -> None:
    frames = [frame(second) for second in range(40) if second != 12]
    (part,) = restarted([], frames, 0).due(200)
    first = part.summary()
    assert restarted([first], frames[30:], 39, first=30).due(200) == []
    late = [frame(12, bad=True, recorded_s=90), frames[35]]
    (rest,) = (one.summary() for one in restarted([first], [*frames[30:], *late], 39, first=30).due(300))
    assert (rest.supplement, rest.id != first.id) == (True, True)
    assert (rest.frames.inspected, rest.strip_defects_total) == (1, 1), "the others are in the summary of the coil"


def test_late_frames_after_a_restart_form_a_new_supplement() -> None:
    frames = [frame(second) for second in range(40) if second not in (12, 13, 14)]
    late = [frame(second, bad=True, recorded_s=100 + second) for second in (13, 12, 14)]
    (first,) = (part.summary() for part in restarted([], frames, 0).due(200))
    (extra,) = (part.summary() for part in restarted([first], late[:1], 0, first=37).due(300))
    (other,) = (part.summary() for part in restarted([first, extra], late, 38, first=37).due(300))
    assert (extra.frames.inspected, other.frames.inspected, other.supplement) == (1, 2, True)
    assert extra.id != other.id
    assert restarted([first, extra, other], late, 38, first=37).due(300) == [], "with a commit from before the summary"


def test_repeats_of_a_final_coil_stay_repeats_when_read_again() -> None:
    """A worker that was down for an hour repeated its last frames."""
    frames = [frame(second) for second in range(40)]
    (first,) = (part.summary() for part in restarted([], frames, 0).due(200))
    assert restarted([first], frames[20:30], 50, first=40).due(300) == []


def test_update_does_not_republish_coils_of_the_previous_version() -> None:
    frames = [frame(second) for second in range(40) if second != 12]
    (first,) = (part.summary() for part in restarted([], frames, 0).due(200))
    old = msgspec.structs.replace(first, offsets={})
    tracker = restarted([old], [*frames, frame(12, bad=True)], 39)
    (extra,) = (part.summary() for part in tracker.due(300))
    assert (extra.supplement, extra.frames.inspected) == (True, 1)


def test_part_after_a_limit_keeps_its_first_frames_after_a_restart() -> None:
    """They may have been captured before the last frames ahead of the limit, which another camera sent."""
    tracker = CoilTracker(replace(WIDE, frames_max=20))
    frames = [frame(second) for second in (*range(19), 20, 19, *range(21, 40))]
    for number, one in enumerate(frames[:20]):
        tracker.add(one, number, EventSource(P, number))
    (first,) = (part.summary() for part in tracker.due(20))
    (second,) = (part.summary() for part in restarted([first], frames[20:], 40, first=20).due(400))
    assert (first.ended, second.frames.inspected, second.supplement) == ("limit", 20, False)


def test_clock_delays_are_restored_after_a_restart() -> None:
    """Frames from half an hour ago are late; they do not mean that the camera's clock is wrong."""
    frames = [frame(second, behind_s=300) for second in range(40) if second not in (12, 13)]
    late = [frame(second, behind_s=300, recorded_s=1800) for second in (12, 13)]
    (first,) = (part.summary() for part in restarted([], frames, 0).due(200))
    assert first.cameras["top-1"].delay_ms_min == 300_000
    (extra,) = (part.summary() for part in restarted([first], late, 0, first=38).due(300))
    assert (extra.supplement, extra.frames.inspected) == (True, 2)
    (corrected,) = (part.summary() for part in restarted([first], [*frames, *late], 38).due(300))
    assert (corrected.id, corrected.revision, corrected.frames.inspected) == (first.id, 2, 40)


def test_coil_read_again_completely_excludes_frames_of_its_supplements() -> None:
    frames = [frame(second) for second in range(40) if second not in (12, 13)]
    late = [frame(second, bad=True, recorded_s=100 + second) for second in (12, 13)]
    (first,) = (part.summary() for part in restarted([], frames, 0).due(200))
    (extra,) = (part.summary() for part in restarted([first], late[:1], 0, first=38).due(300))
    assert restarted([first, extra], [*frames, late[0]], 39).due(300) == []
    (corrected,) = (part.summary() for part in restarted([first, extra], [*frames, *late], 39).due(300))
    assert (corrected.id, corrected.revision, corrected.frames.inspected) == (first.id, 2, 39)


def test_part_begun_after_a_restart_does_not_replace_the_part_before() -> None:
    """The clock of one camera is an hour slow, and the strip stopped for a quarter of an hour."""

    def both(seconds: range) -> list[Observation]:
        return [
            one
            for second in seconds
            for one in (frame(second), frame(second, behind_s=3600, camera="top-2", recorded_s=second))
        ]

    (first,) = (part.summary() for part in restarted([], both(range(20)), 0).due(300))
    (second,) = (part.summary() for part in restarted([first], both(range(920, 950)), 40, first=40).due(300))
    assert (second.id != first.id, second.revision, second.supplement) == (True, 1, False)
    assert (first.frames.inspected, second.frames.inspected) == (40, 60)


def test_late_frames_of_a_final_coil_after_a_restart_are_a_supplement() -> None:
    (part,) = restarted([], [frame(second) for second in range(40) if second != 12], 0).due(200)
    tracker = restarted([part.summary()], [frame(12, bad=True)], 39, first=39)
    assert [one.summary().supplement for one in tracker.due(200)] == [True]


def test_memory_of_kept_coils_is_bounded() -> None:
    tracker = CoilTracker(replace(WIDE, frames_kept_max=100, open_max=3))
    published = 0
    for number in range(60):
        for second in range(10):
            tracker.add(frame(20 * number + second, coil=f"C{number}"), 20 * number + second)
            published += sum(part.log.frames for part in tracker.due(20 * number + second))
    assert sum(part.log.frames for part in tracker) <= 110
    assert published + sum(part.log.frames for part in tracker.running) == 600


def test_replay_counts_once_even_after_the_end_of_its_coil() -> None:
    tracker = CoilTracker(WIDE)
    tracker.add(replace(frame(0), state="rejected", verdict=None), 0)
    tracker.due(200)
    added = tracker.add(replace(frame(0, recorded_s=210), id="again", replay_of=frame(0).id), 210)
    assert (added.outcome, added.replaces_reject) == ("late", True)
    (part,) = tracker.due(300)
    assert msgspec.structs.asdict(part.summary().frames) == {"inspected": 1, "skipped": 0, "rejected": 0}


def test_replay_in_a_final_coil_is_a_supplement_that_counts_the_replaced_reject() -> None:
    tracker = CoilTracker(WIDE)
    reject = replace(frame(5), state="rejected", verdict=None)
    for second in range(10):
        tracker.add(reject if second == 5 else frame(second), second)
    (first,) = (part.summary() for part in tracker.due(200))
    assert tracker.due(600) == []
    replays = [replace(frame(5, bad=True, recorded_s=3600), id=name, replay_of=reject.id) for name in ("r1", "r2")]
    assert tracker.add(reject, 3600).outcome == "repeat"
    added = tracker.add(replays[0], 3600)
    assert (added.outcome, added.replaces_reject) == ("supplement", True)
    assert tracker.add(replays[1], 3600).outcome == "repeat"
    assert tracker.add(frame(4), 3600).outcome == "repeat", "also next to a supplement"
    (extra,) = (part.summary() for part in tracker.due(3800))
    assert (extra.frames.inspected, extra.replaced_rejects, extra.strip_defects_total) == (1, 1, 1)
    assert first.frames.inspected + extra.frames.inspected + first.frames.rejected - extra.replaced_rejects == 10
    tracker.due(4200)
    assert tracker.add(replays[1], 4200).outcome == "repeat", "also when the supplement is final"


def test_replay_after_a_restart_counts_the_replaced_reject() -> None:
    reject = replace(frame(5), state="rejected", verdict=None)
    frames = [reject if second == 5 else frame(second) for second in range(10)]
    (first,) = (part.summary() for part in restarted([], frames, 0).due(200))
    replay = replace(frame(5, recorded_s=3600), id="again", replay_of=reject.id)
    (extra,) = (part.summary() for part in restarted([first], [frames[9], replay], 10, first=9).due(300))
    assert (extra.supplement, extra.frames.inspected, extra.replaced_rejects) == (True, 1, 1)


def test_camera_that_saw_the_previous_coil_is_expected_in_the_next() -> None:
    tracker = CoilTracker(CoilRules())
    for number, (coil, camera) in enumerate([("A", "top-1"), ("A", "top-2"), ("B", "top-1"), ("C", "top-1")]):
        tracker.add(observation(number, 0, 300, coil=coil, camera=camera), now_s=0)
    ended = [part.summary() for part in tracker.due(1_000)]
    assert [(one.coil, one.cameras_silent, one.partly_uncovered_mm) for one in ended] == [
        ("A", [], 0),
        ("B", ["top-2"], 300),
        ("C", ["top-2"], 300),
    ]


def test_first_camera_is_not_expected_in_the_rest_of_a_coil_after_a_stop() -> None:
    tracker, summaries = CoilTracker(WIDE), []
    for coil, second, cameras in (("C1", 0, "12"), ("C2", 200, "12"), ("C2", 500, "2")):
        for camera in cameras:
            tracker.add(frame(second, coil=coil, camera=f"top-{camera}"), second)
        summaries += [part.summary() for part in tracker.due(second + 200)]
    assert [(one.coil, one.cameras_silent, one.partly_uncovered_mm) for one in summaries] == [
        ("C1", [], 0),
        ("C2", [], 0),
        ("C2", [], 0),
    ]


def test_settings_define_the_expected_cameras_and_the_gap_tolerance() -> None:
    settings = Settings.model_validate(
        {
            "cameras": {"top-1": {"line": "/l"}, "top-2": {"line": "/l"}},
            "coils": {"gap_tolerance_mm": 5, "strip_speed_mps_max": 1},
        }
    )
    tracker = CoilTracker(CoilRules.of(settings))
    for number, start in enumerate((0, 305, 30_000)):
        tracker.add(observation(number, start, start + 300), now_s=0)
    (part,) = tracker.due(1_000)
    summary = part.summary()
    assert (summary.cameras_silent, summary.uncovered_mm, summary.position_faults) == (["top-2"], 0, {"outlier": 1})


def test_defaults_follow_from_the_default_settings() -> None:
    assert CoilRules.of(load_settings(None, {})) == CoilRules()


def test_waits_longer_for_workers_with_longer_timeouts() -> None:
    slow = load_settings(None, {"session_timeout_ms": 120_000, "drain_s_max": 30, "send_s_max": 100})
    found = CoilRules.of(slow)
    assert (found.settle_s, found.silence_s, found.correctable_s) == (180, 180, 180 + 300 + 100)


def test_given_values_override_the_derived_ones() -> None:
    found = CoilRules.of(load_settings(None, {}), settle_s=1, silence_s=60)
    assert (found.settle_s, found.silence_s, found.correctable_s) == (1, 60, 455)


def test_assumed_lag_equals_the_target_of_the_alert() -> None:
    (target,) = (rule for rule in rules_of("recording_rules.yml") if rule["record"] == "stripwatch:lag_seconds:target")
    assert target["expr"] == f"vector({LAG_S_TARGET:.0f})"
