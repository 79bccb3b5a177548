"""The routes of the live page: static files, JSON, pictures and a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stripwatch.worker.coils.report import as_csv
from stripwatch.worker.config.page_sections import ViewSettings
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.access import Access
from stripwatch.worker.dashboard.web.alarm_routes import AlarmRoutes, SendRecord, nobody_writes
from stripwatch.worker.dashboard.web.broadcaster import Broadcaster
from stripwatch.worker.dashboard.web.history_routes import HistoryRoutes
from stripwatch.worker.dashboard.web.picture_responses import PictureThreads, jpeg_response, no_picture, width_px
from stripwatch.worker.dashboard.web.reject_routes import reject_routes
from stripwatch.worker.dashboard.web.write_route import write_route
from stripwatch.worker.monitoring.view_metrics import ViewMetrics

PAGE = Path(__file__).parents[1] / "page"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Scripts, styles, pictures and requests come from this server only; no inline code; no other page may frame this one.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def make_site(
    history: History,
    pictures: FrameFetcher,
    hosts: list[str],
    access: Access | None = None,
    send_acknowledgement: SendRecord = nobody_writes,
    more_routes: Sequence[BaseRoute] = (),
    metrics: ViewMetrics | None = None,
    past: HistoryRoutes | None = None,
) -> Starlette:
    """Build the ASGI application of the live page.

    hosts: allowed Host headers. Others are refused, because a foreign page could point its own domain name at this
    address (DNS rebinding). access: who may write; nobody if it is None. send_acknowledgement: writes an
    acknowledgement to Kafka. more_routes: routes of features that are not always on. metrics: of this server. past: the
    routes of the history.
    """
    access = access or Access(ViewSettings())
    broadcaster = Broadcaster(history)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(broadcaster.run())
        yield
        await broadcaster.stop()
        await running

    site = Site(history, pictures, broadcaster, access)
    alarms = AlarmRoutes(history, access, send_acknowledgement, metrics=metrics)
    alarms.viewers = lambda: broadcaster.viewers
    if past:
        past.count_failures(alarms.metrics.failed_searches)
    files = {path.name: path for path in PAGE.iterdir() if path.suffix in _TYPES}
    routes = [
        Route("/", _file(files["index.html"])),
        Route("/report", _file(files["report.html"])),
        Route("/runbooks", _file(files["runbooks.html"])),
        Route("/history", _file(files["history.html"])),
        *(past.routes() if past else []),
        *(Route(f"/page/{name}", _file(path)) for name, path in files.items()),
        Route("/access.json", site.access_json),
        write_route("/access", access, SignIn, site.sign_in),
        Route("/events", site.events),
        Route("/coils.json", site.coils_json),
        Route("/coils.csv", site.coils_csv),
        Route("/coils/{id}.json", site.coil_json),
        Route("/coils/{id}/map.json", site.coil_map),
        *alarms.routes(),
        *reject_routes(history.rejects, pictures),
        Route("/frames/{run}/{seq:int}.jpg", site.frame),
        Route("/evidence/{run}/{seq:int}.jpg", site.evidence),
        *more_routes,
    ]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False), Middleware(SecureHeaders)]
    app = Starlette(routes=routes, middleware=guards, lifespan=life)
    app.state.broadcaster = broadcaster
    return app


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a sign-in: an empty object, because the headers contain the proof."""


class Site:
    """Request handlers that answer from the history. Blocking work runs in a thread pool, off the event loop."""

    def __init__(self, history: History, pictures: FrameFetcher, broadcaster: Broadcaster, access: Access) -> None:
        self._history = history
        self._pictures = pictures
        self._broadcaster = broadcaster
        self._access = access
        self._threads = PictureThreads()

    async def access_json(self, request: Request) -> Response:
        """Return whether the page may offer a sign-in, and how."""
        return _json(self._access.offer(request))

    async def sign_in(self, person: str, _: SignIn) -> Response:
        """Return the name under which the person's requests are accepted."""
        return _json({"person": person})

    async def events(self, request: Request) -> Response:
        stream = self._broadcaster.events(request.headers.get("last-event-id", ""))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def coils_json(self, _: Request) -> Response:
        return _json(await run_in_threadpool(self._history.coils), "coils.json")

    async def coils_csv(self, _: Request) -> Response:
        text = as_csv(await run_in_threadpool(self._history.coils))
        return Response(text, media_type="text/csv; charset=utf-8", headers=_saved_as("coils.csv"))

    async def coil_json(self, request: Request) -> Response:
        found = await run_in_threadpool(self._history.coil, request.path_params["id"])
        return _json(msgspec.to_builtins(found[0]) | {"first_frames_unread": found[2]}) if found else self._no_coil()

    async def coil_map(self, request: Request) -> Response:
        found = await run_in_threadpool(self._history.coil, request.path_params["id"])
        return _json(found[1]) if found else self._no_coil()

    def _no_coil(self) -> Response:
        if self._history.has_read:
            return _none()
        error = {"error": "the server is still reading the results; retry later"}
        return JSONResponse(error, 503, headers={"cache-control": "no-store", "retry-after": "1"})

    async def frame(self, request: Request) -> Response:
        """Return the frame of a card: /frames/RUN/SEQ.jpg, larger with ?large.

        Answers 204 if the frame is gone but the event announced an evidence image, which the page then asks for.
        """
        return await self._threads.run(partial(self._picture, request, evidence=False))

    async def evidence(self, request: Request) -> Response:
        """Return the evidence image of a card: /evidence/RUN/SEQ.jpg, larger with ?large.

        Answers 204 if the event announced an evidence image that is not on Kafka (yet).
        """
        return await self._threads.run(partial(self._picture, request, evidence=True))

    def _picture(self, request: Request, evidence: bool) -> Response:
        picture = "{run}/{seq}".format_map(request.path_params)
        card, place = self._history.position(picture) or (None, None)
        has_evidence = card is not None and card.evidence is True
        if card and evidence:
            place = self._history.evidence.find(card.id) if has_evidence else None
        jpeg = self._pictures.picture(place, width_px(request)) if place else None
        if jpeg is None:
            return no_picture() if has_evidence else _none()
        return jpeg_response(jpeg)


class SecureHeaders:
    """ASGI middleware that adds HEADERS to every response, streams included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in HEADERS.items())]
            await send(message)

        await self._app(scope, receive, send_guarded if scope["type"] == "http" else send)


def _file(path: Path) -> Callable[[Request], Any]:
    async def answer(_: Request) -> Response:
        return FileResponse(path, media_type=_TYPES[path.suffix], headers={"cache-control": "no-cache"})

    return answer


def _json(value: Any, file: str = "") -> Response:
    headers = {"cache-control": "no-store"} | (_saved_as(file) if file else {})
    return Response(msgspec.json.encode(value), media_type="application/json", headers=headers)


def _saved_as(file: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{file}"'}


def _none() -> Response:
    error = {"error": "not found, or no longer kept"}
    return JSONResponse(error, 404, headers={"cache-control": "no-store"})
