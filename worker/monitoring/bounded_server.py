"""A threading socket server on which idle, slow or many clients cannot keep out the next one.

Python's own ThreadingMixIn starts a thread for each connection and waits for its client without end: 246 idle
connections took all file descriptors of a process that may have 256, and no scrape was answered.
"""

import errno
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from socketserver import BaseServer
from typing import Any, Literal

import structlog

log = structlog.get_logger()

CloseReason = Literal["too_many", "timeout", "handshake"]
_WHY: dict[CloseReason, str] = {"too_many": "too many connections", "timeout": "it took too long"}
CONNECTIONS_MAX = 16  # each has a thread; few clients ask: a scraper, a prober, a person
_THREAD_END_S_MAX = 0.5  # a thread whose connection was closed ends at once, unless its answer takes long
CLIENT_S_MAX = 10.0  # for the whole exchange; scrapes and probes time out sooner
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class BoundedServer(BaseServer):
    """Mix in before a socket server.

    At most CONNECTIONS_MAX are open: the oldest is closed for a new one. Each is closed after CLIENT_S_MAX, however
    busily its client sends a byte a second. There are as many threads at most: a new connection is closed at once
    where none of them ends, so as many answers that hang block every other. One file descriptor is kept for when the
    process has no other. What was closed is logged on its own thread: a log that cannot be written, as when nobody
    reads stdout, blocks one thread and no answer.
    count_closed: called for each connection that is closed before its client had its answer.
    """

    request_queue_size = CONNECTIONS_MAX

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock = threading.Condition()  # notified when a thread ends
        self._threads = 0
        self._open: OrderedDict[socket.socket, float] = OrderedDict()  # the oldest first; when each came
        self._closed: dict[socket.socket, CloseReason] = {}  # whose threads have not ended yet
        self._logging = threading.Lock()
        self._reserve: int | None = None
        self.count_closed: Callable[[CloseReason], None] = lambda _: None
        super().__init__(*args, **kwargs)
        self._keep_reserve()

    def get_request(self) -> Any:
        """Accept a connection. Without a free descriptor, the reserve is given to it."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR or self._reserve is None:
                raise
            log.warning("no file descriptor is free", error=str(error))
            os.close(self._reserve)
            self._reserve = None
            return super().get_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection on a thread of its own."""
        request.settimeout(2 * CLIENT_S_MAX)  # service_actions ends it before
        with self._lock:
            admitted = self._wait_for_thread()
            if admitted:
                self._threads += 1
                self._open[request] = time.monotonic()
        if not admitted:
            self.count_closed("too_many")
            self.shutdown_request(request)
            log.warning("connection to the health port refused", client=client_address[0], why="no thread is free")
            return
        handle = threading.Thread(
            target=self._handle, args=(request, client_address), name="health-request", daemon=True
        )
        try:
            handle.start()
        except RuntimeError as error:  # the machine has no thread left
            self._forget(request)
            self.shutdown_request(request)
            log.warning("connection to the health port refused", client=client_address[0], why=str(error))

    def service_actions(self) -> None:
        """Close what has been open for too long; serve_forever calls this every half second."""
        super().service_actions()
        now_s = time.monotonic()
        with self._lock:
            while self._open and now_s - next(iter(self._open.values())) > CLIENT_S_MAX:
                self._close_oldest("timeout")
        self._keep_reserve()

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            for request in self._open:
                _shut_down(request)
            self._open.clear()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _handle(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except (OSError, ValueError):
            pass  # the client left, or its connection was closed
        finally:
            reason = self._forget(request)
            self.shutdown_request(request)
        if reason:
            self._log_closed(client_address[0], _WHY[reason])

    def _log_closed(self, client: str, why: str) -> None:
        """Unless another thread does so now: the counter has it too, and a log that hangs must not collect threads."""
        if self._logging.acquire(blocking=False):
            try:
                log.warning("connection to the health port closed", client=client, why=why)
            finally:
                self._logging.release()

    def _wait_for_thread(self) -> bool:
        if self._threads >= CONNECTIONS_MAX and self._open:
            self._close_oldest("too_many")
        return self._lock.wait_for(lambda: self._threads < CONNECTIONS_MAX, _THREAD_END_S_MAX)

    def _forget(self, request: socket.socket) -> CloseReason | None:
        """Its thread ends. Returns why it was closed before, if it was."""
        with self._lock:
            self._open.pop(request, None)
            self._threads -= 1
            self._lock.notify()
            return self._closed.pop(request, None)

    def _close_oldest(self, reason: CloseReason) -> None:
        """Its thread wakes up with an error, and ends."""
        request, _ = self._open.popitem(last=False)
        self._closed[request] = reason
        self.count_closed(reason)
        _shut_down(request)

    def _keep_reserve(self) -> None:
        if self._reserve is None:
            with suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY)


def _shut_down(request: socket.socket) -> None:
    """Wake up its thread. SSLSocket's own method would let that thread go on without encryption for a moment."""
    with suppress(OSError):
        socket.socket.shutdown(request, socket.SHUT_RDWR)
