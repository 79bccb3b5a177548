"""Handling of SIGTERM and SIGINT: the first requests an orderly stop, a second one of the same kind exits at once."""

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
    """Call `stop` on SIGTERM or SIGINT during the block; a second signal of the same kind ends the process at once.

    `stop` must only set a plain flag or put to a SimpleQueue. Setting an Event in a signal handler can deadlock with
    the main thread that waits for it.
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
def interrupt_once() -> Iterator[None]:
    """Raise KeyboardInterrupt on the first Ctrl-C during the block, and end the process on the second."""

    def handle(number: int, frame: FrameType | None) -> None:
        _end_at_next(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # the parent process ignores or handles it
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM inside `terminate_once`. Code that handles Ctrl-C handles it, too."""


@contextmanager
def terminate_once() -> Iterator[None]:
    """Raise Terminated on the first SIGTERM during the block, and end the process on the second.

    Has no effect outside the main thread, or if SIGTERM is handled already.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        _end_at_next(number)
        raise Terminated

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_at_next(number: int) -> None:
    signal.signal(
        number, _exit_at_once if os.getpid() == 1 else signal.SIG_DFL
    )  # Linux does not apply SIG_DFL to PID 1


@contextmanager
def exit_on_signals(first_process: bool | None = None) -> Iterator[None]:
    """End the process on SIGTERM or SIGINT during the block, even during a native call.

    This is the default for every process except the first one of a container (PID 1): Linux ignores signals for which
    PID 1 has no handler, and Python runs handlers only between bytecode instructions of the main thread. A thread
    therefore waits for the signals. After the block PID 1 still exits on a signal, until another handler is set.

    first_process: Whether this is PID 1; None to detect it.
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
        for number, handler in before.items():  # before the thread stops waiting
            signal.signal(number, _exit_at_once if handler is signal.SIG_DFL else handler)
        signal.set_wakeup_fd(wakeup_fd)
        writer.close()


def _exit_at_once(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


def _exit_by_signal(reader: socket.socket) -> None:
    """Wait for signals until the other end of the socket is closed."""
    with reader:
        for number in iter(lambda: reader.recv(1), b""):
            if number[0] in _NUMBERS:
                os._exit(128 + number[0])
