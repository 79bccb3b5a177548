"""A threading socket server that idle, slow or numerous clients cannot block.

Python's ThreadingMixIn starts a thread for each connection and waits for its client without a limit. 246 idle
connections used up all file descriptors of a process with a limit of 256, and scrapes were no longer answered.
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
_WHY: dict[CloseReason, str] = {"too_many": "too many connections", "timeout": "open for too long"}
CONNECTIONS_MAX = 16  # each has a thread; there are few clients: a scraper, a prober, a person
# how long to wait for the thread of a closed connection, which ends at once unless its response takes long
_THREAD_END_S_MAX = 0.5
CLIENT_S_MAX = 10.0  # for the whole exchange; longer than the timeouts of scrapes and probes
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class BoundedServer(BaseServer):
    """Mixin that bounds connections, threads and time. Put it before a socket server in the list of bases.

    At most CONNECTIONS_MAX connections are open; the oldest is closed for a new one. Each is closed after CLIENT_S_MAX,
    even if its client keeps sending a byte per second. The number of threads has the same limit. If all threads are
    busy and none ends, a new connection is closed at once, so CONNECTIONS_MAX hanging responses block all further ones.
    One file descriptor is kept in reserve for when the process has no other. A closed connection is logged on its own
    thread: a log that cannot be written, for example to an unread stdout, blocks one thread and no response.

    count_closed: called for each connection closed before its client received the response.
    """

    request_queue_size = CONNECTIONS_MAX

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock = threading.Condition()  # notified when a thread ends
        self._threads = 0
        # oldest first, with the time at which each was accepted
        self._open: OrderedDict[socket.socket, float] = OrderedDict()
        self._closed: dict[socket.socket, CloseReason] = {}  # closed connections whose threads have not ended
        self._logging = threading.Lock()
        self._reserve: int | None = None
        self.count_closed: Callable[[CloseReason], None] = lambda _: None
        super().__init__(*args, **kwargs)
        self._keep_reserve()

    def get_request(self) -> Any:
        """Accept a connection. If no descriptor is free, release the reserve for it."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR or self._reserve is None:
                raise
            log.warning("no file descriptor available", error=str(error))
            os.close(self._reserve)
            self._reserve = None
            return super().get_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection on a separate thread."""
        request.settimeout(2 * CLIENT_S_MAX)  # a safety margin: service_actions closes the connection earlier
        with self._lock:
            admitted = self._wait_for_thread()
            if admitted:
                self._threads += 1
                self._open[request] = time.monotonic()
        if not admitted:
            self.count_closed("too_many")
            self.shutdown_request(request)
            log.warning("connection to the health port refused", client=client_address[0], why="no thread available")
            return
        handle = threading.Thread(
            target=self._handle, args=(request, client_address), name="health-request", daemon=True
        )
        try:
            handle.start()
        except RuntimeError as error:  # the system cannot start another thread
            self._forget(request)
            self.shutdown_request(request)
            log.warning("connection to the health port refused", client=client_address[0], why=str(error))

    def service_actions(self) -> None:
        """Close connections that have been open for too long. serve_forever calls this every half second."""
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
            pass  # the client disconnected, or the connection was closed
        finally:
            reason = self._forget(request)
            self.shutdown_request(request)
        if reason:
            self._log_closed(client_address[0], _WHY[reason])

    def _log_closed(self, client: str, why: str) -> None:
        """Log a closed connection, unless another thread is logging one.

        A log that hangs must not block several threads, and the counter counts the connection anyway.
        """
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
        """Forget a connection whose thread ends. Return why it was closed, or None if it was not."""
        with self._lock:
            self._open.pop(request, None)
            self._threads -= 1
            self._lock.notify()
            return self._closed.pop(request, None)

    def _close_oldest(self, reason: CloseReason) -> None:
        """Shut down the oldest connection. Its thread wakes up with an error and ends."""
        request, _ = self._open.popitem(last=False)
        self._closed[request] = reason
        self.count_closed(reason)
        _shut_down(request)

    def _keep_reserve(self) -> None:
        if self._reserve is None:
            with suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY)


def _shut_down(request: socket.socket) -> None:
    """Shut down a connection to wake up its thread.

    SSLSocket.shutdown would let that thread continue without encryption for a moment.
    """
    with suppress(OSError):
        socket.socket.shutdown(request, socket.SHUT_RDWR)
