"""Notifications to systemd: ready, alive, stopping (sd_notify(3)). They are disabled without NOTIFY_SOCKET."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

_PING_S = 1.0


def sd_notify(state: str) -> None:
    """Send one datagram to systemd. Errors are ignored, because systemd may be restarting."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


class Watchdog:
    """Pings the systemd watchdog while frames make progress: none is in flight, or one was settled since the last ping.

    WatchdogSec must exceed every outage that the worker recovers from, such as one of Kafka.
    """

    def __init__(self, notify: Callable[[str], None] = sd_notify, now_s: Callable[[], float] = time.monotonic) -> None:
        self._notify, self._now_s = notify, now_s
        self._was_ready = False
        self._settled = 0
        self._due_s = 0.0

    def ping(self, ready: bool, frames_in_flight: int, frames_settled: int) -> None:
        """Report readiness once, and ping if it is due. Safe to call at any rate."""
        if ready and not self._was_ready:
            self._was_ready = True
            self._notify("READY=1")
        if self._now_s() < self._due_s or (frames_in_flight and frames_settled == self._settled):
            return
        self._due_s, self._settled = self._now_s() + _PING_S, frames_settled
        self._notify("WATCHDOG=1")
