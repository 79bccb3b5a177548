"""Where pictures lie, whoever writes to the topic of evidence."""

from stripwatch.worker.dashboard.evidence_index import EvidenceIndex, Place


def place(number: int) -> Place:
    return Place("evidence", 0, number)


def test_evidence_is_found_by_the_id_of_its_event_and_a_repeat_takes_its_place() -> None:
    places = EvidenceIndex()
    for number in (1, 2):
        places.add("frames-0-1-é".encode(), place(number))
    assert places.find("frames-0-1-é") == place(2)
    assert places.find("frames-0-2") is None


def test_it_stays_bounded_whatever_keys_are_sent() -> None:
    places = EvidenceIndex()
    for key in (None, b"", b"x" * 1000):
        places.add(key, place(0))
    assert places.find("") is None
    for number in range(1500):
        places.add(b"%d" % number, place(number))
    assert (places.find("1499"), places.find("499")) == (place(1499), None)
    assert places.find("x" * 1000) is None
