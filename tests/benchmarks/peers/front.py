"""Consumer in front of a model server: send one request per frame, publish the events in order, then commit.

`python -m tests.benchmarks.peers.front mosec|bentoml`. It keeps enough requests in flight to fill every batch.
"""

import asyncio
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import msgspec

from stripwatch.worker.contracts.frame import Frame
from tests.benchmarks.peers.clients import Confluent
from tests.benchmarks.peers.inspector import Inspector
from tests.benchmarks.peers.task import COMMIT_S, Task, read_task

_READY_S_MAX = 60.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Protocol:
    """Protocol of a server: path, headers, and how the frame and the response are encoded."""

    path: str
    ready_path: str
    headers: dict[str, str]
    pack: Callable[[bytes], bytes]
    unpack: Callable[[bytes], bytes]


PROTOCOLS = {
    "mosec": Protocol("/inference", "/metrics", {}, bytes, bytes),
    "bentoml": Protocol(
        "/inspect",
        "/readyz",
        {"Content-Type": "application/json"},
        lambda frame: b'{"frames":["' + b64encode(frame) + b'"]}',
        lambda body: b64decode(msgspec.json.decode(body)[0]),
    ),
}


class Front:
    def __init__(self, task: Task, protocol: Protocol, http: aiohttp.ClientSession) -> None:
        self._client = Confluent(task)
        self._inspector = Inspector(task)
        self._protocol = protocol
        self._http = http
        self._window = asyncio.Semaphore(window(task))
        self._asked: asyncio.Queue[tuple[Frame, asyncio.Task[bytes]]] = asyncio.Queue()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self._write())

    async def _read(self) -> None:
        while True:
            await self._window.acquire()
            room = 1
            while not self._window.locked():
                await self._window.acquire()
                room += 1
            frames = await asyncio.to_thread(self._client.poll, room, _POLL_S)
            for frame in frames:
                self._asked.put_nowait((frame, asyncio.create_task(self._ask(frame.encoded))))
            for _ in range(room - len(frames)):
                self._window.release()

    async def _ask(self, encoded: bytes) -> bytes:
        async with self._http.post(self._protocol.path, data=self._protocol.pack(encoded)) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"the server returned status {answer.status}: {body[:500]!r}")
            return self._protocol.unpack(body)

    async def _next(self) -> tuple[Frame, asyncio.Task[bytes]] | None:
        """Yield frames, and None if none arrives for a while, so that finished frames are committed."""
        try:
            return await asyncio.wait_for(self._asked.get(), COMMIT_S)
        except TimeoutError:
            return None

    async def _write(self) -> None:
        done: list[Frame] = []
        due_s = time.monotonic() + COMMIT_S
        while True:
            asked = await self._next()
            if asked is not None:
                frame, answer = asked
                self._client.send(self._inspector.read_answer(frame, await answer, time.monotonic() - frame.received_s))
                done.append(frame)
                self._window.release()
            if done and time.monotonic() >= due_s:
                await asyncio.to_thread(self._client.commit, done)
                done, due_s = [], time.monotonic() + COMMIT_S


def window(task: Task) -> int:
    """Return the number of requests in flight: one running and two waiting batches per process."""
    return max(8, 3 * task.setting.batch * task.setting.processes)


async def await_server(http: aiohttp.ClientSession, path: str) -> None:
    deadline_s = time.monotonic() + _READY_S_MAX
    while True:
        try:
            async with http.get(path) as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the server was not ready after {_READY_S_MAX:.0f} s")
        await asyncio.sleep(0.2)


async def main(name: str) -> None:
    task, protocol = read_task(), PROTOCOLS[name]
    connector = aiohttp.TCPConnector(limit=0)
    url = f"http://127.0.0.1:{task.port}"
    async with aiohttp.ClientSession(url, connector=connector, headers=protocol.headers) as http:
        await await_server(http, protocol.ready_path)
        await Front(task, protocol, http).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
