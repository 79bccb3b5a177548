"""SIGTERM and SIGINT: the first asks a command to stop in order, a second one of the same kind ends it at once."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """While the block lasts SIGTERM and SIGINT call `stop`; a second one of a kind ends the process at once.

    stop: sets a plain flag or wakes a SimpleQueue. To set an Event in a signal handler can deadlock with the main
    thread that waits for it.
    """

    def handle(number: int, _: FrameType | None) -> None:
        _end_at_next(number)
        stop()

    before = {number: signal.signal(number, handle) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """While the block lasts Ctrl-C raises KeyboardInterrupt once, and ends the process when it comes again."""

    def handle(number: int, frame: FrameType | None) -> None:
        _end_at_next(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # whoever started this process handles it
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_next(number: int) -> None:
    signal.signal(number, _exit_at_once if os.getpid() == 1 else signal.SIG_DFL)  # Linux spares process 1 the default


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
    before = {number: signal.signal(number, lambda *_: None) for number in _NUMBERS}
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
            if number[0] in _NUMBERS:
                os._exit(128 + number[0])
