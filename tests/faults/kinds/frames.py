"""Frames that are legal for Kafka and hard on a worker."""

from tests.faults.batch import GIANT_RECORDS, RECORD_BYTES
from tests.faults.kinds.fault import Blow, Course, Fault, Scene

_LARGE_BYTES = 8_000_000


def _send_giant(scene: Scene, blow: Blow) -> Course:
    """A batch of 30 KB that decompresses to a gigabyte: each record must become one reject without the bytes."""
    scene.sender.send_giant(int(blow.choice * scene.sender.partitions), GIANT_RECORDS, RECORD_BYTES)
    return Course(victims=frozenset())


def _send_large_garbage(scene: Scene, blow: Blow) -> Course:
    """Its reject is larger than the topic of rejects takes, so it must carry less of the frame."""
    scene.sender.send_garbage(int(blow.choice * scene.sender.partitions), _LARGE_BYTES)
    return Course(victims=frozenset())


_NEEDS = frozenset({"broker"})
FAULTS = (
    Fault("a batch that decompresses to a gigabyte", _send_giant, _NEEDS),
    Fault("a reject that is too large for its topic", _send_large_garbage, _NEEDS),
)
