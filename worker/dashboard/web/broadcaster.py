"""Server-sent events for all viewers. Each tick builds the messages once, and a slow viewer delays no other viewer."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import msgspec
import structlog
from starlette.concurrency import run_in_threadpool

from stripwatch.worker.dashboard.state.cards import CARDS_MAX
from stripwatch.worker.dashboard.state.history import History

log = structlog.get_logger()
VIEWERS_MAX = 50
TICK_S = 0.5
_RETRY_MS = 2000


class Broadcaster:
    """Sends `state` every tick, `coils` and `corrections` when they change, and `cards` with new defects.

    The id of an event consists of the id of the server's run and the number of its newest card. A browser that
    reconnects therefore receives the cards it missed, and after a restart of the server all of them. The state contains
    the run id too, because a tab may not have received a card yet.
    """

    def __init__(self, history: History) -> None:
        self._viewers: dict[object, None] = {}  # in order of arrival
        self._history = history
        self._run_id = history.run_id
        self._tick = asyncio.Condition()
        self._state = b""
        self._coils = b""
        self._cards: deque[tuple[int, bytes]] = deque(maxlen=CARDS_MAX)
        self._ended_changes = 0
        self._coils_made = 0
        self._corrections = b""
        self._corrections_made = 0  # 0: nobody has corrected anything yet
        self._stopped = False

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    async def run(self) -> None:
        """Build the messages every tick until stopped."""
        while not self._stopped:
            try:
                await run_in_threadpool(self._make)
            except Exception:  # one bad event must not freeze the page of every viewer
                log.exception("live page not updated")
            async with self._tick:
                self._tick.notify_all()
            await asyncio.sleep(TICK_S)

    async def stop(self) -> None:
        self._stopped = True
        async with self._tick:
            self._tick.notify_all()

    async def events(self, last_event_id: str) -> AsyncIterator[bytes]:
        """Yield the event stream of one viewer.

        If the maximum number of viewers is reached, the oldest one is disconnected: a browser reconnects automatically,
        a client that only occupies a connection does not.
        """
        run_id, _, seen = last_event_id.partition("-")
        seq = int(seen) if run_id == self._run_id and seen.isascii() and seen.isdecimal() else 0
        coils_seen, corrections_seen = -1, 0
        while len(self._viewers) >= VIEWERS_MAX:
            del self._viewers[next(iter(self._viewers))]
        viewer = object()
        self._viewers[viewer] = None
        try:
            yield b"retry: %d\n\n" % _RETRY_MS
            while not self._stopped and viewer in self._viewers:
                if self._state:
                    coils_made = self._coils_made  # read first: the messages may be replaced at any moment
                    message, seq = self._message(seq, with_coils=coils_seen != coils_made)
                    coils_seen = coils_made
                    if corrections_seen != self._corrections_made:
                        corrections_seen = self._corrections_made
                        message += _event("corrections", self._corrections)
                    yield message
                async with self._tick:
                    if not self._stopped:
                        await self._tick.wait()
        finally:
            self._viewers.pop(viewer, None)

    def _message(self, seq: int, with_coils: bool) -> tuple[bytes, int]:
        """Return the message for a viewer that has the cards up to `seq`, and the number of the newest card in it."""
        message = [_event("state", self._state)]
        if with_coils:
            message.append(_event("coils", self._coils))
        cards = [(number, card) for number, card in self._cards if number > seq]
        if cards:
            seq = cards[-1][0]
            body = b"[" + b",".join(card for _, card in cards) + b"]"
            message.append(_event("cards", body, f"{self._run_id}-{seq}"))
        return b"".join(message), seq

    def _make(self) -> None:
        self._history.update_alarms()
        alarms = self._history.alarms
        state = self._history.state() | {"alarms": alarms.rows(), "can_acknowledge": alarms.can_acknowledge}
        if state["ended_changes"] != self._ended_changes or not self._coils:
            self._ended_changes = state["ended_changes"]
            self._coils = msgspec.json.encode(self._history.ended_rows())
            self._coils_made += 1
        if self._corrections_made != (changes := self._history.corrections.changes):
            self._corrections = msgspec.json.encode(self._history.corrections.rows())
            self._corrections_made = changes
        newest = self._cards[-1][0] if self._cards else 0
        news = [(card.seq, msgspec.json.encode(card)) for card in self._history.cards_after(newest)]
        self._cards = deque([*self._cards, *news], CARDS_MAX)  # not extended, because viewers may be iterating over it
        self._state = msgspec.json.encode(state | {"viewers": self.viewers})


def _event(name: str, data: bytes, identity: str = "") -> bytes:
    """Format a server-sent event. Encoded JSON has no line breaks, so it fits in one data line."""
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), f"id: {identity}\n".encode() if identity else b"", data)
