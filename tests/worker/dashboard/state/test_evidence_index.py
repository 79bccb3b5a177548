"""The evidence index, with any records on the evidence topic."""

from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.state.evidence_index import EvidenceIndex


def position(number: int) -> Position:
    return Position("evidence", 0, number)


def test_finds_evidence_by_event_id_and_a_repeat_replaces_it() -> None:
    places = EvidenceIndex()
    for number in (1, 2):
        places.add("frames-0-1-é".encode(), position(number))
    assert places.find("frames-0-1-é") == position(2)
    assert places.find("frames-0-2") is None


def test_stays_bounded_for_any_keys() -> None:
    places = EvidenceIndex()
    for key in (None, b"", b"x" * 1000):
        places.add(key, position(0))
    assert places.find("") is None
    for number in range(1500):
        places.add(b"%d" % number, position(number))
    assert (places.find("1499"), places.find("499")) == (position(1499), None)
    assert places.find("x" * 1000) is None
