"""Routes that write: the person, origin, type and size of a request are checked before its handler runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripwatch.worker.dashboard.web.access import Access, AccessRefusedError

T = TypeVar("T", bound=msgspec.Struct)
BODY_BYTES_MAX = 4096
BODY_S_MAX = 5.0


def write_route(path: str, access: Access, body: type[T], handle: Callable[[str, T], Awaitable[Response]]) -> Route:
    """Return a POST route.

    Args:
        path: Path of the route.
        access: Decides who may write.
        body: Type of the JSON object in the request. A request with another content is answered with 400.
        handle: Called with the name of the person and the body, once both are valid.
    """

    async def answer(request: Request) -> Response:
        try:
            person = access.person(request)
        except AccessRefusedError as refused:
            return refusal(refused.status, str(refused))
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return refusal(415, "the content type must be application/json")
        try:
            value = msgspec.json.decode(await _read(request), type=body)
        except TimeoutError:
            return refusal(408, f"the request took longer than {BODY_S_MAX:g} s")
        except OverflowError:
            return refusal(413, f"the request is larger than {BODY_BYTES_MAX:,} bytes")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return refusal(400, f"the request is not valid: {error}")
        return await handle(person, value)

    return Route(path, answer, methods=["POST"])


def refusal(status: int, message: str) -> Response:
    """Return an error with one sentence. It closes the connection, because the body may not have been read."""
    return JSONResponse({"error": message}, status, headers={"cache-control": "no-store", "connection": "close"})


async def _read(request: Request) -> bytes:
    """Read the body. Raises OverflowError if it is too large, TimeoutError if it takes too long."""
    stated = request.headers.get("content-length", "0")
    if not stated.isdecimal() or int(stated) > BODY_BYTES_MAX:
        raise OverflowError
    content = bytearray()
    async with asyncio.timeout(BODY_S_MAX):
        try:
            async for chunk in request.stream():
                content += chunk
                if len(content) > BODY_BYTES_MAX:
                    raise OverflowError
        except ClientDisconnect as gone:
            raise TimeoutError from gone
    return bytes(content)
