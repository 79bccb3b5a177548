"""The positions on Kafka of the pictures that cards show."""

import threading
from collections import OrderedDict

from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.positions import Position

_KEPT = 1000
_ID_BYTES_MAX = 400


def position_of_frame(result: Result) -> Position | None:
    """Return the position of a result's frame, or None if the frame came from a folder."""
    frame = result.frame
    if frame.topic is None or frame.partition is None or frame.offset is None:
        return None
    return Position(frame.topic, frame.partition, frame.offset)


class EvidenceIndex:
    """Positions of the newest evidence images by the id of their event. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: OrderedDict[bytes, Position] = OrderedDict()

    def add(self, key: bytes | None, position: Position) -> None:
        if not key or len(key) > _ID_BYTES_MAX:
            return
        with self._lock:
            self._positions[key] = position
            self._positions.move_to_end(key)
            while len(self._positions) > _KEPT:
                self._positions.popitem(last=False)

    def find(self, event_id: str) -> Position | None:
        with self._lock:
            return self._positions.get(event_id.encode(errors="replace"))
