"""The offset tracker. Its specification: a commit never passes an open frame, and at the end all is committed."""

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker, Rest

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


def tracker_with(order: list[Position]) -> OffsetTracker:
    tracker = OffsetTracker()
    tracker.assign([Partition(TOPIC, number) for number in range(3)])
    for frame in sorted(order):
        assert tracker.register(frame)
    return tracker


@given(settle_orders())
def test_commit_never_passes_an_open_frame(order: list[Position]) -> None:
    tracker, settled = tracker_with(order), set[Position]()
    for frame in order:
        tracker.complete(frame)
        settled.add(frame)
        for partition, (next_offset, _) in tracker.committable().items():
            before = [p for p in order if p.partition == partition.number and p.offset < next_offset]
            assert all(p in settled for p in before)


@given(settle_orders())
def test_when_all_is_settled_all_is_committed(order: list[Position]) -> None:
    tracker = tracker_with(order)
    for frame in order:
        tracker.complete(frame)
    last = {p: max(f.next_offset for f in order if f.partition == p) for p in {f.partition for f in order}}
    assert {p.number: point.offset for p, point in tracker.committable().items()} == last
    assert tracker.open_frames() == 0
    tracker.committed(tracker.committable())
    assert tracker.committable() == {}


@given(settle_orders(), st.data())
def test_what_is_committable_only_grows(order: list[Position], data: st.DataObject) -> None:
    tracker = tracker_with(order)
    before: dict[Partition, int] = {}
    for frame in order:
        tracker.complete(frame)
        if data.draw(st.booleans()):
            now = tracker.next_offsets()
            assert all(now[p] >= offset for p, offset in before.items())
            before = now


@given(settle_orders(), st.data())
def test_each_frame_is_claimed_once_and_in_order_however_often_it_comes(
    order: list[Position], data: st.DataObject
) -> None:
    """Copies of frames from before a partition went and came back are still on their way among the new ones."""
    tracker = tracker_with(order)
    before = sorted(order)
    done = data.draw(st.integers(0, len(before)))
    claimed = [frame for frame in before[:done] if tracker.claim(frame)]
    for frame in claimed:
        tracker.complete(frame)
    partitions = tracker.partitions()
    tracker.forget(partitions)
    tracker.assign(partitions)
    again = before[done:]
    for frame in again:
        assert tracker.register(frame)
    stale = [frame for frame in before if data.draw(st.booleans())]
    claimed += [frame for frame in [*stale, *again] if tracker.claim(frame)]
    assert sorted(claimed) == before
    for number in range(3):
        offsets = [frame.offset for frame in claimed if frame.partition == number]
        assert offsets == sorted(offsets)


def test_an_epoch_ends_when_the_partition_goes() -> None:
    tracker = tracker_with([position(0, 0), position(1, 0), position(0, 1)])
    claimed = {number: tracker.claim(position(number, 0)) for number in range(2)}
    epochs = {Partition(TOPIC, number): epoch for number, epoch in claimed.items() if epoch}
    assert len(epochs) == 2
    assert tracker.holds(epochs)
    tracker.forget([Partition(TOPIC, 2)])
    assert tracker.holds(epochs)
    tracker.forget([Partition(TOPIC, 1)])
    tracker.assign([Partition(TOPIC, 1)])
    assert not tracker.holds(epochs)


def test_while_it_is_void_it_takes_nothing_in() -> None:
    tracker = tracker_with([position(0, 0)])
    tracker.suspend()
    tracker.assign([Partition(TOPIC, 0)])
    assert not tracker.register(position(0, 0))
    assert tracker.claim(position(0, 0)) is None
    tracker.resume()
    assert not tracker.register(position(0, 0))  # it has to be placed first
    tracker.assign([Partition(TOPIC, 0)])
    assert tracker.register(position(0, 0))


def test_a_frame_of_a_partition_that_is_not_ours_is_not_taken() -> None:
    tracker = tracker_with([position(0, 1)])
    tracker.forget([Partition(TOPIC, 0)])
    assert not tracker.register(position(0, 2))
    tracker.complete(position(0, 1))
    assert tracker.committable() == {}


def test_a_partition_that_comes_back_starts_again() -> None:
    tracker = tracker_with([position(0, 5)])
    tracker.forget([Partition(TOPIC, 0)])
    tracker.assign([Partition(TOPIC, 0)])
    tracker.complete(position(0, 5))
    assert tracker.committable() == {}
    assert tracker.register(position(0, 3))
    assert tracker.committable() == {Partition(TOPIC, 0): CommitPoint(3)}


def test_counts_can_be_asked_for_some_partitions() -> None:
    tracker = tracker_with([position(0, 0), position(0, 1), position(1, 0)])
    assert tracker.open_frames() == 3
    assert tracker.open_frames([Partition(TOPIC, 0)]) == 2
    assert tracker.committable([Partition(TOPIC, 1)]) == {Partition(TOPIC, 1): CommitPoint(0)}
    assert sorted(tracker.partitions()) == [Partition(TOPIC, number) for number in range(3)]


def test_a_place_that_was_found_before_a_loss_is_not_used() -> None:
    tracker, partition = OffsetTracker(), Partition(TOPIC, 0)
    losses = tracker.revocations
    tracker.forget([partition])  # a rebalance while Kafka was asked
    tracker.assign([partition], losses)
    assert tracker.partitions() == []
    tracker.assign([partition], tracker.revocations)
    assert tracker.partitions() == [partition]


def test_retired_frames_are_finished_and_not_committed() -> None:
    tracker, partition = tracker_with([position(0, 0), position(0, 1)]), Partition(TOPIC, 0)
    tracker.retire()
    assert tracker.is_retired(partition)
    assert tracker.claim(position(0, 0))
    tracker.complete(position(0, 0))
    assert (tracker.open_frames(), tracker.committable()) == (1, {})
    assert tracker.next_offsets([partition]) == {partition: 1}
    tracker.forget([partition])
    tracker.assign([partition])
    assert not tracker.is_retired(partition)


def test_a_commit_carries_what_the_partition_was_assigned_with() -> None:
    tracker, partition = OffsetTracker(), Partition(TOPIC, 0)
    tracker.assign([partition], start=CommitPoint(4, "old"))
    assert tracker.committable() == {partition: CommitPoint(4, "old")}
    assert tracker.register(position(0, 4))
    epoch = tracker.claim(position(0, 4))
    assert epoch
    assert epoch.commit_metadata == "old"
    tracker.forget([partition])
    tracker.assign([partition], start=CommitPoint(0, "new"))
    assert tracker.register(position(0, 3))
    tracker.complete(position(0, 3))
    tracker.committed({partition: CommitPoint(4, "old")})  # an answer from before: the same offset of another topic
    assert tracker.committable() == {partition: CommitPoint(4, "new")}


def test_what_a_failed_producer_has_left_can_still_be_counted() -> None:
    tracker, partition = tracker_with([position(0, 0), position(0, 1), position(0, 2)]), Partition(TOPIC, 0)
    tracker.complete(position(0, 1))
    tracker.suspend()
    tracker.suspend()
    tracker.resume()
    assert tracker.abandon([partition]) == {partition: Rest(3, 2)}
    assert tracker.abandon() == {}  # each is counted once


def test_what_is_read_again_is_not_left() -> None:
    tracker, partition = tracker_with([position(0, 0)]), Partition(TOPIC, 0)
    tracker.suspend()
    tracker.resume()
    tracker.assign([partition])
    assert tracker.abandon() == {}


def test_what_another_worker_reads_is_not_left() -> None:
    tracker = tracker_with([position(0, 0)])
    tracker.suspend()
    tracker.forget([Partition(TOPIC, 0)])
    assert tracker.abandon() == {}
