"""How much may be inside the worker at once. Memory is bounded: a frame comes in only while the limits leave room."""

import threading
import time

from stripwatch.worker.common.rates import DecayedRate

_COPY_CHECK_S = 0.5
_LINGER_S_PER_FRAME, _LINGER_S_MAX = 0.002, 0.015
# In a backlog, which is more than cameras send at the same moment: as long as that many frames take.
_BACKLOG_FRAMES, _COALESCE_FRAMES, _COALESCE_S_MAX = 64, 8, 0.1


class InFlightLimiter:
    """Frames and encoded bytes in flight, under a limit each. Any thread may call."""

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._enough = max(1, frames_max // 4)
        self._changed = threading.Condition()
        self._frames = 0
        self._bytes = 0
        self._rate = DecayedRate()
        self._fps = 0.0  # at which frames are done
        self._copies: dict[int, int] = {}  # bytes, by the identity of the frame
        self._few = 0  # frames at which `wait_to_coalesce` ends

    @property
    def frames(self) -> int:
        return self._frames

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def bytes_left(self) -> int:
        """Room for encoded bytes; a poll ends with the frame that fills it."""
        return max(0, self._bytes_max - self._bytes)

    @property
    def linger_s(self) -> float:
        """How long what comes in or goes out may wait for others: a request to Kafka costs as much as a frame.

        Nothing for a frame alone, 2 ms for each further one that is inside, 15 ms at most; in a backlog as long as
        eight frames take, 100 ms at most. So a worker that begins to fall behind gets cheaper at once, and does not
        come to rest with a long queue.
        """
        if self._frames > _BACKLOG_FRAMES:
            return max(_LINGER_S_MAX, min(_COALESCE_S_MAX, _COALESCE_FRAMES / max(1.0, self._fps)))
        return min(_LINGER_S_MAX, _LINGER_S_PER_FRAME * max(0, self._frames - 1))

    def acquire(self, size_bytes: int) -> None:
        """Count a frame in. It may pass the limit: what was already fetched has to go somewhere."""
        with self._changed:
            self._frames += 1
            self._bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        with self._changed:
            self._frames -= 1
            self._bytes -= size_bytes
            self._fps = self._rate.count(1, time.monotonic())
            if self._room() >= self._enough or self._frames <= self._few:
                self._changed.notify_all()

    def reserve_copy(self, frame_id: int, size_bytes: int, failed: threading.Event) -> None:
        """Wait until a producer may hold a copy of these bytes beside ours: all copies take a quarter of bytes_max.

        kafka-python's producer sets no limit itself. One copy is always allowed. failed: nobody waits any more.
        """
        with self._changed:
            room_bytes = self._bytes_max // 4 - size_bytes
            while self._copies and sum(self._copies.values()) > room_bytes and not failed.is_set():
                self._changed.wait(_COPY_CHECK_S)
            self._copies[frame_id] = size_bytes

    def release_copy(self, frame_id: int) -> None:
        """The producer has let the bytes of this frame go, if it had any."""
        with self._changed:
            if self._copies.pop(frame_id, None) is not None:
                self._changed.notify_all()

    def wait_for_room(self, timeout_s: float) -> int:
        """How many frames may come in: a quarter of all at least, or what there is room for after timeout_s.

        One by one they would cost a poll each. Their size is not known before, so bytes may pass the limit by one frame
        (`bytes_left`).
        """
        with self._changed:
            self._changed.wait_for(lambda: self._room() >= self._enough, timeout_s)
            return self._room()

    def wait_to_coalesce(self) -> None:
        """Until half of the frames inside are done, or all but one; not longer than patience has it."""
        with self._changed:
            self._few = max(1, self._frames // 2)
            self._changed.wait_for(lambda: self._frames <= self._few, self.linger_s)
            self._few = 0

    def _room(self) -> int:
        return max(0, self._frames_max - self._frames) if self._bytes < self._bytes_max else 0
