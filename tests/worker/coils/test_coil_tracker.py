from stripwatch.worker.coils.coil_tracker import CoilRules, CoilTracker
from stripwatch.worker.config.settings import Settings
from tests.worker.coils.test_coil import observation

RULES = CoilRules(settle_s=10, silence_s=120, frames_max=5)


def ends(book: CoilTracker, now_s: float) -> list[tuple[str | None, str]]:
    return [(log.coil, why) for log, why in book.close(now_s)]


def test_a_coil_ends_when_the_line_moved_on_and_its_stragglers_came() -> None:
    book = CoilTracker(RULES)
    book.add(observation(0), 0.0)
    book.add(observation(1, coil="C2"), 1.0)
    book.add(observation(2, camera="top-2"), 6.0)
    assert ends(book, 15.9) == []
    assert ends(book, 16.0) == [("C1", "next-coil")]
    assert ends(book, 100.0) == []
    assert ends(book, 121.0) == [("C2", "silence")]


def test_another_line_is_another_matter() -> None:
    book = CoilTracker(RULES)
    book.add(observation(0), 0.0)
    book.add(observation(1, line="/other", coil="C2"), 1.0)
    assert ends(book, 100.0) == []


def test_an_old_coil_that_comes_late_does_not_end_the_newer_one() -> None:
    book = CoilTracker(RULES)
    book.add(observation(9, coil="C2"), 0.0)
    book.add(observation(0, coil="C1"), 1.0)
    assert ends(book, 20.0) == [("C1", "next-coil")]


def test_a_coil_continues_after_a_silence_as_a_part_of_its_own() -> None:
    book = CoilTracker(RULES)
    book.add(observation(0), 0.0)
    ((first, _),) = book.close(200.0)
    assert book.add(observation(0), 201.0) is None, "a repeat of what was summarised"
    second = book.add(observation(7), 202.0)
    assert second is not None
    assert second.id != first.id
    assert (book.late, book.repeats) == (1, 0)


def test_a_repeat_within_a_coil_is_not_new() -> None:
    book = CoilTracker(RULES)
    book.add(observation(0), 0.0)
    assert book.add(observation(0), 1.0) is None
    assert (book.late, book.repeats) == (0, 1)


def test_an_endless_coil_ends_at_a_limit() -> None:
    book = CoilTracker(RULES)
    for number in range(5):
        book.add(observation(number, coil=None), 0.0)
    assert ends(book, 0.0) == [(None, "limit")]


def test_a_camera_that_saw_the_coil_before_is_missed_in_the_next() -> None:
    tracker = CoilTracker(CoilRules())
    for number, (coil, camera) in enumerate([("A", "top-1"), ("A", "top-2"), ("B", "top-1"), ("C", "top-1")]):
        tracker.add(observation(number, 0, 300, coil=coil, camera=camera), now_s=0)
    ended = [coil.summary(why) for coil, why in tracker.close(now_s=1_000)]
    assert [(one.coil, one.cameras_silent, one.partly_uncovered_mm) for one in ended] == [
        ("A", [], 0),
        ("B", ["top-2"], 300),
        ("C", ["top-2"], 300),
    ]


def test_the_settings_say_which_cameras_are_missed_and_what_a_gap_is() -> None:
    settings = Settings.model_validate(
        {
            "cameras": {"top-1": {"line": "/l"}, "top-2": {"line": "/l"}},
            "coils": {"gap_tolerance_mm": 5, "strip_speed_mps_max": 1},
        }
    )
    tracker = CoilTracker(CoilRules().with_settings(settings))
    for number, start in enumerate((0, 305, 30_000)):
        tracker.add(observation(number, start, start + 300), now_s=0)
    ((coil, why),) = tracker.close(now_s=1_000)
    summary = coil.summary(why)
    assert (summary.cameras_silent, summary.uncovered_mm, summary.position_faults) == (["top-2"], 0, {"outlier": 1})
