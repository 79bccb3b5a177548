import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.tracking import digest_set
from stripwatch.worker.coils.tracking.digest_set import DigestSet


@given(st.lists(st.integers(0, 60)))
def test_behaves_like_a_set(numbers: list[int]) -> None:
    ids, seen = DigestSet(), set[int]()
    for number in numbers:
        assert (f"f{number}" in ids) == (number in seen)
        assert ids.add(f"f{number}") == (number not in seen)
        seen.add(number)
        assert len(ids) == len(seen)


def test_entries_are_found_after_they_were_merged() -> None:
    ids = DigestSet()
    names = [f"inspection.frames-{n % 12}-{n}-{n:08x}" for n in range(20_000)]
    assert all(ids.add(name) for name in names)
    assert len(ids._sorted) > 10_000
    assert all(name in ids and not ids.add(name) for name in names)
    assert "another" not in ids
    assert len(ids) == len(names)


def test_finds_a_digest_that_ends_in_zeros() -> None:
    """NumPy strips them from byte strings."""
    ids = DigestSet()
    name = next(f"f{n}" for n in range(10_000) if digest_set._digest(f"f{n}").endswith(b"\0"))
    ids.add(name)
    for number in range(digest_set._RECENT_MIN):
        ids.add(f"other-{number}")
    assert name in ids
    assert not ids.add(name)


def test_entry_costs_little_more_than_its_digest() -> None:
    tracemalloc.start()
    try:
        ids = DigestSet()
        for number in range(100_000):
            ids.add(f"inspection.frames-3-{number}-{number:08x}")
        assert tracemalloc.get_traced_memory()[0] / 100_000 < 40
    finally:
        tracemalloc.stop()
