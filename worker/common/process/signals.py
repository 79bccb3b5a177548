"""A stop that somebody asked for by a signal."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def ended_at_once_by_signals(first_process: bool | None = None) -> Iterator[None]:
    """While the block lasts SIGTERM and SIGINT end the process, also one that is in a native call.

    That is what they do anyway, but for the first process of a container: there Linux ignores a signal without a
    handler, and Python runs its own only between two steps of the main thread. So a thread listens for them.
    Nor is one ignored after the block, until somebody sets a handler. first_process: None asks the system.
    """
    if not (os.getpid() == 1 if first_process is None else first_process):
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    wakeup_fd = signal.set_wakeup_fd(writer.fileno())
    threading.Thread(target=_exit_by_signal, args=(reader,), name="signals", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():  # first: until then the thread listens
            signal.signal(number, _exit_at_once if handler is signal.SIG_DFL else handler)
        signal.set_wakeup_fd(wakeup_fd)
        writer.close()


def _exit_at_once(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


def _exit_by_signal(reader: socket.socket) -> None:
    """Until the other end is closed."""
    with reader:
        for number in iter(lambda: reader.recv(1), b""):
            if number[0] in (signal.SIGTERM, signal.SIGINT):
                os._exit(128 + number[0])
