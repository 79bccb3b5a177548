"""The ledger. Its specification: a commit never passes an open frame, and in the end everything is committed."""

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.contracts.positions import Partition, Position
from stripwatch.worker.pipeline.consume.offset_tracker import Ledger

TOPIC = "frames"


def position(partition: int, offset: int) -> Position:
    return Position(TOPIC, partition, offset)


@st.composite
def settle_orders(draw: st.DrawFn) -> list[Position]:
    """Frames of up to three partitions, offsets with gaps (as after compaction), in any order of settling."""
    frames: list[Position] = []
    for partition in range(draw(st.integers(1, 3))):
        gaps = draw(st.lists(st.integers(1, 3), min_size=1, max_size=12))
        frames += [position(partition, sum(gaps[: i + 1])) for i in range(len(gaps))]
    return draw(st.permutations(frames))


def ledger_with(order: list[Position]) -> Ledger:
    ledger = Ledger()
    ledger.assign([Partition(TOPIC, number) for number in range(3)])
    for frame in sorted(order):
        assert ledger.opened(frame)
    return ledger


@given(settle_orders())
def test_commit_never_passes_an_open_frame(order: list[Position]) -> None:
    ledger, settled = ledger_with(order), set[Position]()
    for frame in order:
        ledger.settled(frame)
        settled.add(frame)
        for partition, next_offset in ledger.committable().items():
            before = [p for p in order if p.partition == partition.number and p.offset < next_offset]
            assert all(p in settled for p in before)


@given(settle_orders())
def test_when_all_is_settled_all_is_committed(order: list[Position]) -> None:
    ledger = ledger_with(order)
    for frame in order:
        ledger.settled(frame)
    last = {p: max(f.next_offset for f in order if f.partition == p) for p in {f.partition for f in order}}
    assert {p.number: offset for p, offset in ledger.committable().items()} == last
    assert ledger.open_frames() == 0
    ledger.committed(ledger.committable())
    assert ledger.committable() == {}


@given(settle_orders(), st.data())
def test_what_is_committable_only_grows(order: list[Position], data: st.DataObject) -> None:
    ledger = ledger_with(order)
    before: dict[Partition, int] = {}
    for frame in order:
        ledger.settled(frame)
        if data.draw(st.booleans()):
            now = ledger.next_offsets()
            assert all(now[p] >= offset for p, offset in before.items())
            before = now


@given(settle_orders(), st.data())
def test_each_frame_is_claimed_once_and_in_order_however_often_it_comes(
    order: list[Position], data: st.DataObject
) -> None:
    """Copies of frames from before a partition went and came back are still on their way among the new ones."""
    ledger = ledger_with(order)
    before = sorted(order)
    done = data.draw(st.integers(0, len(before)))
    claimed = [frame for frame in before[:done] if ledger.claim(frame)]
    for frame in claimed:
        ledger.settled(frame)
    partitions = ledger.partitions()
    ledger.forget(partitions)
    ledger.assign(partitions)
    again = before[done:]
    for frame in again:
        assert ledger.opened(frame)
    stale = [frame for frame in before if data.draw(st.booleans())]
    claimed += [frame for frame in [*stale, *again] if ledger.claim(frame)]
    assert sorted(claimed) == before
    for number in range(3):
        offsets = [frame.offset for frame in claimed if frame.partition == number]
        assert offsets == sorted(offsets)


def test_a_tenure_ends_when_the_partition_goes() -> None:
    ledger = ledger_with([position(0, 0), position(1, 0), position(0, 1)])
    tenures = {Partition(TOPIC, number): ledger.claim(position(number, 0)) or 0 for number in range(2)}
    assert ledger.holds(tenures)
    ledger.forget([Partition(TOPIC, 2)])
    assert ledger.holds(tenures)
    ledger.forget([Partition(TOPIC, 1)])
    ledger.assign([Partition(TOPIC, 1)])
    assert not ledger.holds(tenures)


def test_while_it_is_void_it_takes_nothing_in() -> None:
    ledger = ledger_with([position(0, 0)])
    ledger.make_void()
    ledger.assign([Partition(TOPIC, 0)])
    assert not ledger.opened(position(0, 0))
    assert ledger.claim(position(0, 0)) is None
    ledger.make_valid()
    assert not ledger.opened(position(0, 0))  # it has to be placed first
    ledger.assign([Partition(TOPIC, 0)])
    assert ledger.opened(position(0, 0))


def test_a_frame_of_a_partition_that_is_not_ours_is_not_taken() -> None:
    ledger = ledger_with([position(0, 1)])
    ledger.forget([Partition(TOPIC, 0)])
    assert not ledger.opened(position(0, 2))
    ledger.settled(position(0, 1))
    assert ledger.committable() == {}


def test_a_partition_that_comes_back_starts_anew() -> None:
    ledger = ledger_with([position(0, 5)])
    ledger.forget([Partition(TOPIC, 0)])
    ledger.assign([Partition(TOPIC, 0)])
    ledger.settled(position(0, 5))
    assert ledger.committable() == {}
    assert ledger.opened(position(0, 3))
    assert ledger.committable() == {Partition(TOPIC, 0): 3}


def test_counts_can_be_asked_for_some_partitions() -> None:
    ledger = ledger_with([position(0, 0), position(0, 1), position(1, 0)])
    assert ledger.open_frames() == 3
    assert ledger.open_frames([Partition(TOPIC, 0)]) == 2
    assert ledger.committable([Partition(TOPIC, 1)]) == {Partition(TOPIC, 1): 0}
    assert sorted(ledger.partitions()) == [Partition(TOPIC, number) for number in range(3)]


def test_a_place_that_was_found_before_a_loss_is_not_used() -> None:
    ledger, partition = Ledger(), Partition(TOPIC, 0)
    losses = ledger.losses
    ledger.forget([partition])  # a rebalance while Kafka was asked
    ledger.assign([partition], losses)
    assert ledger.partitions() == []
    ledger.assign([partition], ledger.losses)
    assert ledger.partitions() == [partition]
