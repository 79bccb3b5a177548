"""Limits for the frames and bytes in flight. A frame is read only while they allow it, so memory is bounded."""

import threading
import time

from stripwatch.worker.common.rates import DecayedRate

_COPY_CHECK_S = 0.5
_LINGER_S_PER_FRAME, _LINGER_S_MAX = 0.002, 0.015
# In a backlog (more frames than cameras send at the same moment), linger for the time that eight frames take.
_BACKLOG_FRAMES, _COALESCE_FRAMES, _COALESCE_S_MAX = 64, 8, 0.1


class InFlightLimiter:
    """Counts the frames and encoded bytes in flight and limits both. Thread-safe."""

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._wake_frames = max(1, frames_max // 4)
        self._changed = threading.Condition()
        self._frames = 0
        self._bytes = 0
        self._rate = DecayedRate()
        self._fps = 0.0  # frames settled per second
        self._copies: dict[int, int] = {}  # copied bytes by id() of the frame
        self._coalesced_frames = 0  # number of frames at which `wait_to_coalesce` returns

    @property
    def frames(self) -> int:
        return self._frames

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def bytes_left(self) -> int:
        """Encoded bytes that may still be read. A poll ends with the frame that uses it up."""
        return max(0, self._bytes_max - self._bytes)

    @property
    def linger_s(self) -> float:
        """Seconds for which a fetch or a result may wait for others.

        A request to Kafka costs as much as a frame. The time is 0 for a single frame, plus 2 ms for each further frame
        in flight, up to 15 ms. In a backlog it is the time that eight frames take, up to 100 ms. A worker that begins
        to fall behind therefore needs less time per frame at once, and its queue does not stay long.
        """
        if self._frames > _BACKLOG_FRAMES:
            return max(_LINGER_S_MAX, min(_COALESCE_S_MAX, _COALESCE_FRAMES / max(1.0, self._fps)))
        return min(_LINGER_S_MAX, _LINGER_S_PER_FRAME * max(0, self._frames - 1))

    def acquire(self, size_bytes: int) -> None:
        """Count a frame as in flight. This may exceed the limit, because the frame has already been fetched."""
        with self._changed:
            self._frames += 1
            self._bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        with self._changed:
            self._frames -= 1
            self._bytes -= size_bytes
            self._fps = self._rate.count(1, time.monotonic())
            if self._room() >= self._wake_frames or self._frames <= self._coalesced_frames:
                self._changed.notify_all()

    def reserve_copy(self, frame_id: int, size_bytes: int, failed: threading.Event) -> None:
        """Wait until the producer may hold a copy of these bytes.

        All copies together are limited to a quarter of bytes_max. kafka-python's producer has no limit of its
        own. One copy is always allowed. The call returns early if `failed` is set.
        """
        with self._changed:
            room_bytes = self._bytes_max // 4 - size_bytes
            while self._copies and sum(self._copies.values()) > room_bytes and not failed.is_set():
                self._changed.wait(_COPY_CHECK_S)
            self._copies[frame_id] = size_bytes

    def release_copy(self, frame_id: int) -> None:
        """Release the copy of a frame, if there is one, because the producer no longer holds it."""
        with self._changed:
            if self._copies.pop(frame_id, None) is not None:
                self._changed.notify_all()

    def wait_for_room(self, timeout_s: float) -> int:
        """Wait for room and return how many frames may be read.

        Waits until a quarter of the limit is free, since reading single frames would cost a poll each. After timeout_s
        it returns the room there is, which may be 0. Frame sizes are unknown beforehand, so bytes may exceed the limit
        by one frame (`bytes_left`).
        """
        with self._changed:
            self._changed.wait_for(lambda: self._room() >= self._wake_frames, timeout_s)
            return self._room()

    def wait_to_coalesce(self) -> None:
        """Wait until half of the frames in flight, or all but one, are settled, but no longer than `linger_s`."""
        with self._changed:
            self._coalesced_frames = max(1, self._frames // 2)
            self._changed.wait_for(lambda: self._frames <= self._coalesced_frames, self.linger_s)
            self._coalesced_frames = 0

    def _room(self) -> int:
        return max(0, self._frames_max - self._frames) if self._bytes < self._bytes_max else 0
