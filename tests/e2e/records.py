"""Frames to send to a line, and checks of the records that it publishes."""

from tests.e2e.line import Line, Record
from tests.tiny import encode_frame

DELIVERIES = ("at-least-once", "exactly-once")


def frames(n: int) -> list[bytes]:
    return [encode_frame((i % 100) / 100, seed=i) for i in range(n)]


def positions(events: list[Record]) -> list[tuple[int, int]]:
    return [(event.json["frame"]["partition"], event.json["frame"]["offset"]) for event in events]


def in_partition_order(events: list[Record]) -> bool:
    found = positions(events)
    return all(
        offsets == sorted(offsets)
        for partition in {p for p, _ in found}
        if (offsets := [offset for p, offset in found if p == partition])
    )


def assert_complete(line: Line, sent: list[Record], delivery: str, group: str = "g") -> None:
    """Check that no frame is lost and the order is kept.

    At-least-once: after repeats are dropped. Exactly-once: without any repeat.
    """
    results = line.read_all("results")
    if delivery == "at-least-once":
        results = list({result.json["id"]: result for result in reversed(results)}.values())[::-1]
    assert sorted(positions(results)) == sorted((frame.partition, frame.offset) for frame in sent)
    assert in_partition_order(results)
    assert sum(line.committed(group).values()) == len(sent)
