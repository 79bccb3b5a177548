"""Frames that Kafka accepts and that are difficult for a worker."""

from tests.faults.batch import GIANT_RECORDS, RECORD_BYTES
from tests.faults.kinds.fault import Blow, Course, Fault, Scene

_LARGE_BYTES = 8_000_000


def _send_giant(scene: Scene, blow: Blow) -> Course:
    """Send a batch of 30 KB that decompresses to 1 GB: each record must become one reject without the bytes."""
    scene.sender.send_giant(int(blow.choice * scene.sender.partitions), GIANT_RECORDS, RECORD_BYTES)
    return Course(victims=frozenset())


def _send_large_garbage(scene: Scene, blow: Blow) -> Course:
    """Send a frame whose reject exceeds the limit of the rejects topic, so that the reject must be cut."""
    scene.sender.send_garbage(int(blow.choice * scene.sender.partitions), _LARGE_BYTES)
    return Course(victims=frozenset())


_NEEDS = frozenset({"broker"})
FAULTS = (
    Fault("a batch that decompresses to a gigabyte", _send_giant, _NEEDS),
    Fault("a reject that is too large for its topic", _send_large_garbage, _NEEDS),
)
