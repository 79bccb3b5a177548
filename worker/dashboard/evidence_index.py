"""Where on Kafka the pictures of cards lie."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from stripwatch.worker.contracts.events import Result

_KEPT = 1000
_ID_BYTES_MAX = 400


@dataclass(frozen=True, slots=True)
class Place:
    topic: str
    partition: int
    offset: int


def position_of_frame(result: Result) -> Place | None:
    """As its event says; None where the frame came from a folder."""
    frame = result.frame
    if frame.topic is None or frame.partition is None or frame.offset is None:
        return None
    return Place(frame.topic, frame.partition, frame.offset)


class EvidenceIndex:
    """The newest evidence by the id of its event. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: OrderedDict[bytes, Place] = OrderedDict()

    def add(self, key: bytes | None, place: Place) -> None:
        if not key or len(key) > _ID_BYTES_MAX:
            return
        with self._lock:
            self._places[key] = place
            self._places.move_to_end(key)
            while len(self._places) > _KEPT:
                self._places.popitem(last=False)

    def find(self, event_id: str) -> Place | None:
        with self._lock:
            return self._places.get(event_id.encode(errors="replace"))
