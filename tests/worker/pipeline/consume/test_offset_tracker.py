"""Properties of the offset tracker: a commit never passes an open frame, and in the end everything is committed."""

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker, Remainder

TOPIC = "frames"


def position(partition: int, offset: int) -> Position:
    return Position(TOPIC, partition, offset)


@st.composite
def settle_orders(draw: st.DrawFn) -> list[Position]:
    """Frames of up to three partitions, with gaps between offsets (as after compaction), settled in any order."""
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
def test_a_commit_never_passes_an_open_frame(order: list[Position]) -> None:
    tracker, settled = tracker_with(order), set[Position]()
    for frame in order:
        tracker.complete(frame)
        settled.add(frame)
        for partition, (next_offset, _) in tracker.committable().items():
            before = [p for p in order if p.partition == partition.number and p.offset < next_offset]
            assert all(p in settled for p in before)


@given(settle_orders())
def test_everything_is_committable_once_all_is_settled(order: list[Position]) -> None:
    tracker = tracker_with(order)
    for frame in order:
        tracker.complete(frame)
    last = {p: max(f.next_offset for f in order if f.partition == p) for p in {f.partition for f in order}}
    assert {p.number: point.offset for p, point in tracker.committable().items()} == last
    assert tracker.open_frames() == 0
    tracker.committed(tracker.committable())
    assert tracker.committable() == {}


@given(settle_orders(), st.data())
def test_committable_offsets_never_decrease(order: list[Position], data: st.DataObject) -> None:
    tracker = tracker_with(order)
    before: dict[Partition, int] = {}
    for frame in order:
        tracker.complete(frame)
        if data.draw(st.booleans()):
            now = tracker.next_offsets()
            assert all(now[p] >= offset for p, offset in before.items())
            before = now


@given(settle_orders(), st.data())
def test_claims_each_frame_once_and_in_order(order: list[Position], data: st.DataObject) -> None:
    """Copies of frames from before a partition was revoked and assigned again are in flight among the new ones."""
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


def test_an_epoch_ends_when_the_partition_is_revoked() -> None:
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


def test_registers_nothing_while_suspended() -> None:
    tracker = tracker_with([position(0, 0)])
    tracker.suspend()
    tracker.assign([Partition(TOPIC, 0)])
    assert not tracker.register(position(0, 0))
    assert tracker.claim(position(0, 0)) is None
    tracker.resume()
    assert not tracker.register(position(0, 0))  # the partition must be assigned first
    tracker.assign([Partition(TOPIC, 0)])
    assert tracker.register(position(0, 0))


def test_refuses_a_frame_of_an_unassigned_partition() -> None:
    tracker = tracker_with([position(0, 1)])
    tracker.forget([Partition(TOPIC, 0)])
    assert not tracker.register(position(0, 2))
    tracker.complete(position(0, 1))
    assert tracker.committable() == {}


def test_a_reassigned_partition_starts_afresh() -> None:
    tracker = tracker_with([position(0, 5)])
    tracker.forget([Partition(TOPIC, 0)])
    tracker.assign([Partition(TOPIC, 0)])
    tracker.complete(position(0, 5))
    assert tracker.committable() == {}
    assert tracker.register(position(0, 3))
    assert tracker.committable() == {Partition(TOPIC, 0): CommitPoint(3)}


def test_counts_can_be_limited_to_some_partitions() -> None:
    tracker = tracker_with([position(0, 0), position(0, 1), position(1, 0)])
    assert tracker.open_frames() == 3
    assert tracker.open_frames([Partition(TOPIC, 0)]) == 2
    assert tracker.committable([Partition(TOPIC, 1)]) == {Partition(TOPIC, 1): CommitPoint(0)}
    assert sorted(tracker.partitions()) == [Partition(TOPIC, number) for number in range(3)]


def test_ignores_a_position_determined_before_a_revocation() -> None:
    tracker, partition = OffsetTracker(), Partition(TOPIC, 0)
    revocations = tracker.revocations
    tracker.forget([partition])  # a rebalance happens during the request to Kafka
    tracker.assign([partition], revocations)
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


def test_a_commit_carries_the_metadata_of_the_assignment() -> None:
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
    tracker.committed({partition: CommitPoint(4, "old")})  # an outdated response: the same offset of another topic
    assert tracker.committable() == {partition: CommitPoint(4, "new")}


def test_abandon_counts_what_a_failed_producer_left() -> None:
    tracker, partition = tracker_with([position(0, 0), position(0, 1), position(0, 2)]), Partition(TOPIC, 0)
    tracker.complete(position(0, 1))
    tracker.suspend()
    tracker.suspend()
    tracker.resume()
    assert tracker.abandon([partition]) == {partition: Remainder(3, 2)}
    assert tracker.abandon() == {}  # each is counted once


def test_abandon_does_not_count_a_reassigned_partition() -> None:
    tracker, partition = tracker_with([position(0, 0)]), Partition(TOPIC, 0)
    tracker.suspend()
    tracker.resume()
    tracker.assign([partition])
    assert tracker.abandon() == {}


def test_abandon_does_not_count_a_partition_of_another_worker() -> None:
    tracker = tracker_with([position(0, 0)])
    tracker.suspend()
    tracker.forget([Partition(TOPIC, 0)])
    assert tracker.abandon() == {}
