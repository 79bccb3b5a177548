"""Finding the frame of an outcome, also after its topic was recreated."""

from tests.faults.history import read_trace, trace
from tests.faults.judge import Place, SentFrame
from tests.faults.ledger import Ledger


def ledger_of_two_topics() -> Ledger:
    """Return a ledger with frames 0 and 1 on the first topic and 2 on the second, all in partition 0."""
    ledger = Ledger()
    for number in (0, 1):
        ledger.add(SentFrame(Place(0, number), number, b"", None), 1.0 + number)
    ledger.delete_topic({Place(0, 0)}, 5.0)
    ledger.add(SentFrame(Place(0, 0, 1), 2, b"", None), 6.0)
    return ledger


def test_a_frame_number_identifies_the_topic() -> None:
    ledger = ledger_of_two_topics()
    assert ledger.place(0, 0, 0) == Place(0, 0, 0)
    assert ledger.place(0, 0, 2) == Place(0, 0, 1)


def test_without_a_number_the_newest_topic_with_the_place_is_used() -> None:
    ledger = ledger_of_two_topics()
    assert ledger.place(0, 0, None) == Place(0, 0, 1)
    assert ledger.place(0, 1, None) == Place(0, 1, 0)
    assert ledger.place(3, 7, None) == Place(3, 7, 1)  # it was never sent, which the judge reports


def test_only_frames_without_an_outcome_at_the_deletion_may_be_gone() -> None:
    ledger = ledger_of_two_topics()
    assert [frame.may_be_gone for frame in ledger.frames.values()] == [False, True, False]
    assert ledger.gone_s == {1: 5.0}
    assert ledger.unsettled({Place(0, 0)}) == [2]
    assert ledger.waited_s({Place(0, 0)}, 8.0) == 2.0
    assert ledger.waited_s({Place(0, 0), Place(0, 0, 1)}, 8.0) == 0.0
    ledger.given_up.add(2)
    assert ledger.unsettled({Place(0, 0)}) == []


def test_a_trace_header_gives_the_frame_number() -> None:
    assert [read_trace(trace(number)[1]) for number in (0, 1, 10**6)] == [0, 1, 10**6]
