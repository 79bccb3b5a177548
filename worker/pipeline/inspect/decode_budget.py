"""Memory limit for decoding and for decoded frames, whatever the size of the frames."""

import threading


class DecodeBudget:
    """Limits the bytes used for decoding and for pixels that wait for the model. Thread-safe.

    Frames get memory in the order in which they arrived. Otherwise later frames could take it all while the oldest one,
    for which all later stages wait, gets none. A frame that needs more than bytes_max gets it once no other memory is
    held. bytes_max = None sets no limit.
    """

    def __init__(self, bytes_max: int | None = None) -> None:
        self._bytes_max = bytes_max
        self._changed = threading.Condition()
        self._held_bytes = 0
        self._entered = 0
        self._turn = 0
        self._passed: set[int] = set()  # frames after the current one that need no memory any more
        self._unlimited = bytes_max is None

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def enter(self) -> "Reservation":
        """Return the reservation of the next frame. Its owner must call `release` in the end."""
        with self._changed:
            self._entered += 1
            return Reservation(self, self._entered - 1)

    def lift(self) -> None:
        """Remove the limit, because decoded frames are no longer consumed."""
        with self._changed:
            self._unlimited = True
            self._changed.notify_all()

    def _take(self, number: int, size_bytes: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._unlimited or (number == self._turn and self._has_room(size_bytes)))
            self._held_bytes += size_bytes
            self._pass(number)

    def _extend(self, size_bytes: int) -> bool:
        with self._changed:
            has_room = self._unlimited or self._held_bytes + size_bytes <= (self._bytes_max or 0)
            self._held_bytes += size_bytes if has_room else 0
            return has_room

    def _has_room(self, size_bytes: int) -> bool:
        return not self._held_bytes or self._bytes_max is None or self._held_bytes + size_bytes <= self._bytes_max

    def _give_back(self, number: int, size_bytes: int, passes: bool) -> None:
        with self._changed:
            self._held_bytes -= size_bytes
            if passes:
                self._pass(number)
            self._changed.notify_all()

    def _pass(self, number: int) -> None:
        self._passed.add(number)
        while self._turn in self._passed:
            self._passed.discard(self._turn)
            self._turn += 1
        self._changed.notify_all()


class Reservation:
    """Memory of one frame. To be used by one thread at a time."""

    def __init__(self, budget: DecodeBudget, number: int) -> None:
        self._budget = budget
        self._number = number
        self._passed = False
        self._bytes = 0

    def take(self, size_bytes: int) -> None:
        """Wait for this many bytes. Repeated calls, when a frame is decoded again, keep the first reservation."""
        if not self._passed:
            self._budget._take(self._number, size_bytes)
            self._passed, self._bytes = True, size_bytes

    def extend(self, size_bytes: int) -> None:
        """Reserve this many bytes more, which `keep` releases. Raises MemoryError instead of waiting for them.

        A frame that waited while it holds memory could block those that would release some.
        """
        if not self._budget._extend(size_bytes):
            raise MemoryError
        self._bytes += size_bytes

    def keep(self, size_bytes: int) -> None:
        """Release all but this many bytes, once decoding is done and the pixels wait for the model."""
        kept = min(self._bytes, size_bytes)
        self._give_back(self._bytes - kept)

    def release(self) -> None:
        """Release all memory. A frame that has not taken any no longer delays those after it."""
        self._give_back(self._bytes)

    def _give_back(self, size_bytes: int) -> None:
        self._budget._give_back(self._number, size_bytes, passes=not self._passed)
        self._passed, self._bytes = True, self._bytes - size_bytes
