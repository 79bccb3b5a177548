"""Pictures as HTTP responses, fetched in few threads."""

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

THREADS_MAX = 8
_LARGE_PX, _SMALL_PX = 1600, 320


class PictureThreads:
    """Runs blocking fetches in at most `THREADS_MAX` threads of the server's pool.

    Pictures are fetched one at a time, and slowly if Kafka does not respond. Without this limit, those who wait would
    occupy all threads, and the live page would stand still.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(THREADS_MAX)

    async def run(self, fetch: Callable[[], Response]) -> Response:
        async with self._free:
            return await run_in_threadpool(fetch)


def width_px(request: Request, small_px: int = _SMALL_PX) -> int:
    """Return the maximum width of the requested picture: 1,600 px with ?large, otherwise `small_px`."""
    return _LARGE_PX if "large" in request.query_params else small_px


def jpeg_response(jpeg: bytes) -> Response:
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


def no_picture() -> Response:
    """Return an answer without a picture, which a browser does not log as an error."""
    return Response(status_code=204, headers={"cache-control": "no-store"})
