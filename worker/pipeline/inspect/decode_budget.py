"""How much memory decoding and decoded frames may take together, whatever the size of the frames."""

import threading


class DecodeBudget:
    """Bytes for decoding, and for the pixels that wait for the model. Any thread may call.

    Frames get their share in the order in which they came in. Otherwise younger ones could take it all while the
    oldest, for which every later stage waits, gets none. A frame that needs more than bytes_max gets it once nothing
    else is held. bytes_max: None sets no limit.
    """

    def __init__(self, bytes_max: int | None = None) -> None:
        self._bytes_max = bytes_max
        self._changed = threading.Condition()
        self._held_bytes = 0
        self._entered = 0
        self._turn = 0
        self._passed: set[int] = set()  # frames behind the turn that need no memory any more
        self._unlimited = bytes_max is None

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def enter(self) -> "Reservation":
        """The place of the next frame; its owner must call `release` in the end."""
        with self._changed:
            self._entered += 1
            return Reservation(self, self._entered - 1)

    def lift(self) -> None:
        """Let everybody pass from now on: nobody takes decoded frames out any more."""
        with self._changed:
            self._unlimited = True
            self._changed.notify_all()

    def _take(self, number: int, size_bytes: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._unlimited or (number == self._turn and self._has_room(size_bytes)))
            self._held_bytes += size_bytes
            self._pass(number)

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
    """The share of one frame. One thread at a time calls."""

    def __init__(self, budget: DecodeBudget, number: int) -> None:
        self._budget = budget
        self._number = number
        self._passed = False
        self._bytes = 0

    def take(self, size_bytes: int) -> None:
        """Wait for this many bytes. A second call, of a frame that is decoded again, keeps what the first one got."""
        if not self._passed:
            self._budget._take(self._number, size_bytes)
            self._passed, self._bytes = True, size_bytes

    def keep(self, size_bytes: int) -> None:
        """Give back all but this much: decoding is done, and the pixels wait for the model."""
        kept = min(self._bytes, size_bytes)
        self._give_back(self._bytes - kept)

    def release(self) -> None:
        """Give everything back; a frame that took nothing no longer holds up those behind it."""
        self._give_back(self._bytes)

    def _give_back(self, size_bytes: int) -> None:
        self._budget._give_back(self._number, size_bytes, passes=not self._passed)
        self._passed, self._bytes = True, self._bytes - size_bytes
