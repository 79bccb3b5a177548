from stripwatch.worker.coils.coil_tracker import CoilRules, CoilTracker
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
