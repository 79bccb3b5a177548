"""Routes that write: content type, size and duration of the request are limited before anything is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from stripwatch.worker.config.page_sections import ViewSettings
from stripwatch.worker.dashboard.web import write_route as module
from stripwatch.worker.dashboard.web.access import Access
from stripwatch.worker.dashboard.web.write_route import write_route
from tests.worker.dashboard.web.requests_made import OWN, bearer, respond, scope_of

TOKEN = "shared-token-1234"
JSON = ("content-type", "application/json")


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str


Send = Callable[..., tuple[int, bytes]]


@pytest.fixture
def notes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def send(tmp_path: Path, notes: list[tuple[str, str]]) -> Send:
    """Send a signed-in request with a body to a route that writes."""
    file = tmp_path / "tokens"
    file.write_text(TOKEN)

    async def keep(person: str, note: Note) -> Response:
        notes.append((person, note.text))
        return JSONResponse({"kept": True})

    app = Starlette(routes=[write_route("/notes", Access(ViewSettings(token_file=file)), Note, keep)])

    def send(*chunks: bytes, headers: Any = (JSON,), ends: bool = True, method: str = "POST") -> tuple[int, bytes]:
        stated = [OWN, *bearer(TOKEN, "Ada"), *headers]
        status, answered, body = respond(app, scope_of(stated, path="/notes", method=method), *chunks, ends=ends)
        assert status == 200 or method != "POST" or answered["connection"] == "close"
        return status, body

    return send


def test_passes_the_person_and_the_body_to_the_handler(send: Send, notes: list[tuple[str, str]]) -> None:
    assert send(b'{"text":', b'"hello"}', headers=[("content-type", "Application/JSON; charset=utf-8")])[0] == 200
    assert notes == [("Ada", "hello")]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"text": "x"}', [], 415),
        (b'{"text": "x"}', [("content-type", "text/plain")], 415),
        (b"text=x", [("content-type", "application/x-www-form-urlencoded")], 415),
        (b'{"text": "x"}', [("content-type", "text/plain; application/json")], 415),
        (b"", [JSON], 400),
        (b"{", [JSON], 400),
        (b"[]", [JSON], 400),
        (b'{"text": 1}', [JSON], 400),
        (b'{"text": "x", "by": "Bob"}', [JSON], 400),
        (b'{"text": "\xff"}', [JSON], 400),
        (b"[" * 4000, [JSON], 400),
        (b'{"text": "' + b"x" * 5000 + b'"}', [JSON], 413),
        (b'{"text": "x"}', [JSON, ("content-length", "1000000000000")], 413),
    ],
)
def test_refuses_other_types_and_bodies(
    send: Send, notes: list[tuple[str, str]], body: bytes, headers: list[tuple[str, str]], status: int
) -> None:
    answered, said = send(body, headers=headers)
    assert (answered, notes) == (status, [])
    assert set(msgspec.json.decode(said)) == {"error"}


def test_stops_reading_a_body_that_is_too_large(send: Send, notes: list[tuple[str, str]]) -> None:
    assert send(*[b"x" * 1000] * 1000, ends=False)[0] == 413
    assert notes == []


def test_stops_waiting_for_a_body_that_does_not_end(
    send: Send, notes: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BODY_S_MAX", 0.05)
    assert send(b'{"text": "hello"}', ends=False)[0] == 408
    assert notes == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_answers_no_other_method(send: Send, method: str) -> None:
    assert send(method=method)[0] == 405
