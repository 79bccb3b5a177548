"""TCP proxy between workers and broker that can cut, delay and drop data. The broker advertises its port."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any, Self, TypeVar

T = TypeVar("T")

_CHUNK_BYTES = 16_384
_SLOW_S = 0.1
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST, as after an unplugged cable or a route change


class Mode(Enum):
    OPEN = "open"
    SHUT = "shut"  # connections are refused
    SLOW = "slow"  # each chunk is delayed
    MUTE = "mute"  # requests pass, responses do not
    TEAR = "tear"  # the next response is cut in the middle, and every connection is reset


class Proxy:
    """Proxy on a free loopback port, in a separate thread until the block ends."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._mode = Mode.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, sock=self._socket))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.SHUT:
            self.cut()

    def cut(self) -> None:
        """Reset every connection that is open now."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _close(self) -> None:
        self._server.close()
        self._reset_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self._mode is Mode.SHUT:
            _reset(client)
            return
        try:
            answers, broker = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:  # the broker does not run
            _reset(client)
            return
        self._writers |= {client, broker}
        try:
            await asyncio.gather(self._pump(reader, broker, False), self._pump(answers, client, True))
        finally:
            self._writers -= {client, broker}
            client.close()
            broker.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        """Forward data until one side closes, then close the other side."""
        try:
            while data := await reader.read(_CHUNK_BYTES):
                if self._mode is Mode.SLOW:
                    await asyncio.sleep(_SLOW_S)
                if answers and self._mode is Mode.MUTE:
                    continue
                if answers and self._mode is Mode.TEAR:
                    await self._tear(writer, data)
                    return
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:  # reset: reset the other side too
            _reset(writer)

    async def _tear(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self._mode = Mode.OPEN
        writer.write(data[: len(data) // 2])
        with suppress(OSError):
            await writer.drain()
        await asyncio.sleep(0.01)  # let the first half arrive before the reset discards it
        self._reset_all()

    def _reset_all(self) -> None:
        for writer in self._writers:
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
