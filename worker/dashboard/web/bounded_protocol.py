"""Bounded connections: a client that is idle, slow or does not read cannot lock out others."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()
CONNECTIONS_MAX = 200  # a browser opens up to six; viewers of the event stream have a separate limit
REQUEST_S_MAX = 10.0  # from connecting, or from the first byte of a further request, to complete headers
UNREAD_S_MAX = 10.0  # a client that reads nothing for this long is gone or malicious
SEND_BUFFER_BYTES = 65_536  # a larger kernel buffer would hide for minutes that a client does not read


class BoundedProtocol(H11Protocol):
    """One connection with timeouts for reading and writing. uvicorn only has a timeout between two requests."""

    _timer: asyncio.TimerHandle | None = None
    _answered: Any = None  # the request after which the headers of another one have begun

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= CONNECTIONS_MAX:
            self._make_room()
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        self._start(REQUEST_S_MAX, "no request received", lambda: self.cycle is None)

    def data_received(self, data: bytes) -> None:
        """Receive bytes. uvicorn stops its timeout between two requests at the first byte of the second one."""
        super().data_received(data)
        last = self.cycle
        if last is not None and last.response_complete and last is not self._answered:
            self._answered = last
            self._start(REQUEST_S_MAX, "no request received", lambda: self.cycle is last)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start(UNREAD_S_MAX, "client does not read", lambda: self.flow.write_paused)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop()

    def _start(self, after_s: float, why: str, holds: Callable[[], bool]) -> None:
        self._stop()
        self._timer = self.loop.call_later(after_s, self._abort_if, why, holds)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort_if(self, why: str, holds: Callable[[], bool]) -> None:
        if holds():
            self._abort(why)

    def _abort(self, why: str) -> None:
        """Drop the connection without waiting for the client to read what was written, as close would."""
        log.warning("connection closed", client=(self.client or ("",))[0], why=why)
        self.transport.abort()

    def _make_room(self) -> None:
        """Close one connection, preferably one without a running request."""
        others = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        idle = [each for each in others if each.cycle is None or each.cycle.response_complete]
        for each in (idle or others)[:1]:
            each._abort("too many connections")
