"""What systemd hears of a worker: ready, alive, stopping (sd_notify(3)). Without NOTIFY_SOCKET nothing is said."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

_PING_S = 1.0


def sd_notify(state: str) -> None:
    """One datagram. systemd may be gone for a moment; that is no trouble of ours."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


class Watchdog:
    """Alive is: no frame is inside, or another one was settled since the last beat. A worker that hangs falls silent.

    The silence that systemd bears (WatchdogSec) must be longer than any that ends well by itself, as one of Kafka's.
    """

    def __init__(self, say: Callable[[str], None] = sd_notify, now_s: Callable[[], float] = time.monotonic) -> None:
        self._say, self._now_s = say, now_s
        self._was_ready = False
        self._settled = 0
        self._due_s = 0.0

    def ping(self, ready: bool, frames_inside: int, frames_settled: int) -> None:
        """Call it as often as you like."""
        if ready and not self._was_ready:
            self._was_ready = True
            self._say("READY=1")
        if self._now_s() < self._due_s or (frames_inside and frames_settled == self._settled):
            return
        self._due_s, self._settled = self._now_s() + _PING_S, frames_settled
        self._say("WATCHDOG=1")
