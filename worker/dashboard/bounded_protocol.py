"""The page's connections, with bounds: an idle, slow or unreading client cannot keep out the next one."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()
CONNECTIONS_MAX = 200  # a browser opens up to six; places for viewers are counted apart
REQUEST_S_MAX = 10.0  # from the connection to a whole request
UNREAD_S_MAX = 10.0  # a client that takes nothing for so long is gone, or holds on purpose
SEND_BUFFER_BYTES = 65_536  # more in the kernel would hide for minutes that nobody reads


class BoundedProtocol(H11Protocol):
    """One connection. uvicorn itself has a timeout only between two requests."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= CONNECTIONS_MAX:
            self._make_room()
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        self._start(REQUEST_S_MAX, "it sent no request", lambda: self.cycle is None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start(UNREAD_S_MAX, "it does not read", lambda: self.flow.write_paused)

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
        """Unlike close, this does not wait until the client has read what was written."""
        log.warning("connection to the page closed", client=(self.client or ("",))[0], why=why)
        self.transport.abort()

    def _make_room(self) -> None:
        """Close a connection without a request, else any other one; which one is as good as the other."""
        others = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        idle = [each for each in others if each.cycle is None or each.cycle.response_complete]
        for each in (idle or others)[:1]:
            each._abort("too many connections")
