"""The routes of the history: searches of Kafka with their progress as events, and their results as JSON and CSV."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from functools import partial
from typing import TypeVar

import msgspec
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stripwatch.worker.coils.report import as_csv
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.past.coil_detail import CoilDetail
from stripwatch.worker.dashboard.past.errors import CancelledError, HistoryError
from stripwatch.worker.dashboard.past.jobs import Job, JobQueue, Outcome, Watch
from stripwatch.worker.dashboard.past.kafka_extent import KafkaExtent
from stripwatch.worker.dashboard.past.past_coils import FoundCoils, PastCoils, ShiftComparison
from stripwatch.worker.dashboard.past.pictures import ReportPictures
from stripwatch.worker.dashboard.past.query import CoilQuery, CoilTarget, ShiftQuery
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.shifts.shift_table import shifts_csv
from stripwatch.worker.dashboard.state.coil_rows import coil_row
from stripwatch.worker.dashboard.web.picture_responses import PictureThreads, jpeg_response, no_picture, width_px

T = TypeVar("T")
Work = Callable[[Watch], Outcome[T]]
LISTED_MAX = 500
_TICK_S = 0.25
_SMALL_PX = 480
_NO_STORE = {"cache-control": "no-store"}


class HistoryRoutes:
    """Request handlers of the history. All searches share one queue, and blocking work runs off the event loop."""

    def __init__(self, past: PastCoils, queue: JobQueue, pictures: ReportPictures, fetcher: FrameFetcher) -> None:
        self._past = past
        self._queue = queue
        self._pictures = pictures
        self._fetcher = fetcher
        self._threads = PictureThreads()

    def count_failures(self, counter: Counter) -> None:
        """Count failed searches in a counter with the label `reason`."""
        self._queue.failed = lambda reason: counter.labels(reason).inc()

    def routes(self) -> list[Route]:
        return [
            Route("/history/kafka", self.kafka),
            Route("/history/coils", self.coils),
            Route("/history/coils.json", self.coils_json),
            Route("/history/coils.csv", self.coils_csv),
            Route("/history/recent.json", self.recent),
            Route("/history/report", self.report),
            Route("/history/report.json", self.report_json),
            Route("/history/shifts", self.shifts),
            Route("/history/shifts.json", self.shifts_json),
            Route("/history/shifts.csv", self.shifts_csv),
            Route("/frames/report/{name}.jpg", self.frame),
            Route("/evidence/report/{name}.jpg", self.evidence),
        ]

    async def kafka(self, request: Request) -> Response:
        """Return what Kafka still has, as a stream of events."""
        return self._stream(request, self._extent, msgspec.json.encode)

    async def coils(self, request: Request) -> Response:
        """Search coils: /history/coils?coil=PART&from=TIME&to=TIME&source=results, as a stream of events."""
        return self._stream(request, self._find, _listed)

    async def coils_json(self, request: Request) -> Response:
        return await self._file(request, self._find, "history.json", msgspec.json.encode)

    async def coils_csv(self, request: Request) -> Response:
        return await self._file(request, self._find, "history.csv", lambda found: as_csv(found.coils).encode())

    async def recent(self, request: Request) -> Response:
        """Return a coil that the page has in memory: /history/recent.json?id=ID; null if there is none."""
        found = await run_in_threadpool(self._past.recent, request.query_params.get("id", ""))
        return Response(msgspec.json.encode(found), media_type="application/json", headers=_NO_STORE)

    async def report(self, request: Request) -> Response:
        """Read a report: /history/report?id=ID&line=LINE&name=COIL&from=TIME&to=TIME, as a stream of events."""
        return self._stream(request, self._detail, msgspec.json.encode)

    async def report_json(self, request: Request) -> Response:
        return await self._file(request, self._detail, "report.json", msgspec.json.encode)

    async def shifts(self, request: Request) -> Response:
        """Compare shifts: /history/shifts?count=N&line=LINE, as a stream of events."""
        return self._stream(request, self._compare, msgspec.json.encode)

    async def shifts_json(self, request: Request) -> Response:
        return await self._file(request, self._compare, "shifts.json", msgspec.json.encode)

    async def shifts_csv(self, request: Request) -> Response:
        return await self._file(request, self._compare, "shifts.csv", lambda found: shifts_csv(found.shifts).encode())

    async def frame(self, request: Request) -> Response:
        """Return a frame of a report, larger with ?large."""
        return await self._threads.run(partial(self._picture, request, evidence=False))

    async def evidence(self, request: Request) -> Response:
        """Return an evidence image of a report, larger with ?large. Answers 204 if it is not on Kafka."""
        return await self._threads.run(partial(self._picture, request, evidence=True))

    def _extent(self, _: Mapping[str, str]) -> tuple[Hashable, Work[KafkaExtent]]:
        return "extent", self._past.extent

    def _find(self, parameters: Mapping[str, str]) -> tuple[Hashable, Work[FoundCoils]]:
        query = CoilQuery.of(parameters)
        return query, lambda watch: self._past.find(query, watch)

    def _detail(self, parameters: Mapping[str, str]) -> tuple[Hashable, Work[CoilDetail]]:
        target = CoilTarget.of(parameters)
        return target, lambda watch: self._past.detail(target, watch)

    def _compare(self, parameters: Mapping[str, str]) -> tuple[Hashable, Work[ShiftComparison]]:
        query = ShiftQuery.of(parameters)
        return query, lambda watch: self._past.shifts(query, watch)

    def _picture(self, request: Request, evidence: bool) -> Response:
        frame = self._pictures.find(request.path_params["name"])
        position: Position | None = None
        if frame:
            position = self._pictures.evidence(frame) if evidence else frame.frame
        jpeg = self._fetcher.picture(position, width_px(request, _SMALL_PX)) if position else None
        if jpeg is not None:
            return jpeg_response(jpeg)
        if frame and evidence:
            return no_picture()
        return JSONResponse({"error": "not found, or no longer on Kafka"}, 404, headers=_NO_STORE)

    def _stream(
        self,
        request: Request,
        ask: Callable[[Mapping[str, str]], tuple[Hashable, Work[T]]],
        encode: Callable[[T], bytes],
    ) -> Response:
        """Answer with the events `progress`, and then `done` or `failed`. Errors are events too, because a browser does
        not let the page read the body of an error response to an event stream.
        """
        events = self._events(request.query_params, ask, encode)
        return StreamingResponse(events, media_type="text/event-stream", headers=_NO_STORE)

    async def _events(
        self,
        parameters: Mapping[str, str],
        ask: Callable[[Mapping[str, str]], tuple[Hashable, Work[T]]],
        encode: Callable[[T], bytes],
    ) -> AsyncIterator[bytes]:
        try:
            job = self._queue.join(*ask(parameters))
        except HistoryError as error:
            yield _failed(error)
            return
        try:
            while job.outcome is None:
                yield _event("progress", msgspec.json.encode(self._queue.progress(job)))
                await asyncio.sleep(_TICK_S)
            if job.outcome.error:
                yield _failed(job.outcome.error)
            elif job.outcome.value is not None:
                yield _event("done", await run_in_threadpool(encode, job.outcome.value))
        finally:
            self._queue.leave(job)

    async def _file(
        self,
        request: Request,
        ask: Callable[[Mapping[str, str]], tuple[Hashable, Work[T]]],
        name: str,
        encode: Callable[[T], bytes],
    ) -> Response:
        """Answer with a file, after the search is done."""
        try:
            value = await self._value(request, ask)
        except HistoryError as error:
            return JSONResponse({"error": str(error)}, error.status, headers=_NO_STORE)
        media_type = "text/csv; charset=utf-8" if name.endswith(".csv") else "application/json"
        headers = _NO_STORE | {"content-disposition": f'attachment; filename="{name}"'}
        return Response(await run_in_threadpool(encode, value), media_type=media_type, headers=headers)

    async def _value(self, request: Request, ask: Callable[[Mapping[str, str]], tuple[Hashable, Work[T]]]) -> T:
        job: Job[T] = self._queue.join(*ask(request.query_params))
        try:
            while job.outcome is None:
                if await request.is_disconnected():
                    raise CancelledError("the client has disconnected")
                await asyncio.sleep(_TICK_S)
        finally:
            self._queue.leave(job)
        if job.outcome.error:
            raise job.outcome.error
        assert job.outcome.value is not None
        return job.outcome.value


def _listed(found: FoundCoils) -> bytes:
    """Return the newest coils without their long lists, newest first. The files contain all."""
    rows = [coil_row(coil, is_cut=False) for coil in found.coils[-LISTED_MAX:][::-1]]
    body = msgspec.to_builtins(msgspec.structs.replace(found, coils=[]))
    return msgspec.json.encode(body | {"coils": rows, "total": len(found.coils)})


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def _failed(error: HistoryError) -> bytes:
    return _event("failed", msgspec.json.encode({"error": str(error), "status": error.status}))
