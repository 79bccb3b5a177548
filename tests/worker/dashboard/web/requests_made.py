"""Requests to the page without a network, with any address, header and body that an attacker may choose."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.types import Message

Headers = Sequence[tuple[str, str]]
PAGE_HOST = "127.0.0.1:8800"
OWN = ("origin", f"http://{PAGE_HOST}")


def scope_of(headers: Headers = (), client: str = "127.0.0.1", path: str = "/", method: str = "POST") -> dict[str, Any]:
    """Return the ASGI scope of a request, with its headers as a server passes them: bytes, lower-case names."""
    stated = [("host", PAGE_HOST), *headers]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in stated],
        "client": (client, 50000) if client else None,
        "server": ("127.0.0.1", 8800),
    }


def request_of(*headers: tuple[str, str], client: str = "127.0.0.1") -> Request:
    return Request(scope_of(headers, client))


def bearer(token: str, name: str | None = None) -> list[tuple[str, str]]:
    """Return the headers with which the page signs in."""
    return [("authorization", f"Bearer {token}"), *([("x-stripwatch-name", name)] if name is not None else [])]


def respond(
    app: Callable[..., Awaitable[None]], scope: dict[str, Any], *chunks: bytes, ends: bool = True
) -> tuple[int, dict[str, str], bytes]:
    """Send a request with its body in chunks to an ASGI application. ends=False: the body never ends."""
    pending: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ends:
        pending.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        if pending:
            return pending.pop(0)
        await asyncio.Event().wait()  # the client sends nothing more
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])
