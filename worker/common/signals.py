"""A stop that somebody asked for by a signal."""

import signal
from types import FrameType


class ShutdownSignal:
    """Made by SIGTERM or SIGINT; a second one ends the process at once.

    A plain flag: setting an Event in a signal handler can deadlock with the main thread that waits on it.
    """

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._make)

    def _make(self, number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.received = True
