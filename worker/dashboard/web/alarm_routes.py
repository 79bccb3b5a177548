"""The routes for alarms and metrics: acknowledge alarms, and /metrics for Prometheus."""

import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.contracts.frame_headers import Headers
from stripwatch.worker.contracts.line.acknowledgement import Acknowledgement, acknowledgement_headers
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.access import Access
from stripwatch.worker.dashboard.web.write_route import write_route
from stripwatch.worker.monitoring.metric_groups.metric_group import WithoutCreated
from stripwatch.worker.monitoring.view_metrics import ViewMetrics

log = structlog.get_logger()
_IDS_MAX = 50
_KIND = "acknowledgement"
SendRecord = Callable[[bytes, bytes, Headers], None]  # key, value and headers; raises BrokerUnavailableError
AlarmId = Annotated[str, Meta(max_length=64)]


class AcknowledgeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request that acknowledges alarms. ids: ids of the alarms."""

    ids: Annotated[list[AlarmId], Meta(min_length=1, max_length=_IDS_MAX)]


def nobody_writes(key: bytes, value: bytes, headers: Headers) -> None:  # noqa: ARG001
    """Refuse every record: for a page without a producer."""
    raise BrokerUnavailableError("this page server has no producer")


class AlarmRoutes:
    """Handlers that acknowledge alarms and show the metrics of the page.

    send: writes a record to the topic of acknowledgements and waits for Kafka. viewers: number of connected browsers.
    """

    def __init__(
        self,
        history: History,
        access: Access,
        send: SendRecord = nobody_writes,
        clock: Callable[[], float] = time.time,
        metrics: ViewMetrics | None = None,
    ) -> None:
        self.metrics = metrics or ViewMetrics(CollectorRegistry())
        self.viewers: Callable[[], int] = lambda: 0
        ProcessCollector(registry=self.metrics.registry)
        self._history = history
        self._access = access
        self._send = send
        self._clock = clock
        history.alarms.can_acknowledge = access.writing

    def routes(self) -> list[Route]:
        return [
            write_route("/alarms/acknowledge", self._access, AcknowledgeRequest, self.acknowledge),
            Route("/metrics", self.show_metrics),
        ]

    async def acknowledge(self, person: str, body: AcknowledgeRequest) -> Response:
        """Write one record per alarm. An alarm is acknowledged once Kafka has its record."""
        now_ms = round(1000 * self._clock())
        found = [self._history.alarms.acknowledgement(each, person, now_ms) for each in body.ids]
        known = [each for each in found if each is not None]
        if not known:
            return _answer(404, error="no such alarm: it has become worse, or its coil is no longer kept")
        try:
            await run_in_threadpool(self._write, known)
        except BrokerUnavailableError as error:
            log.warning("acknowledgement not written", by=person, error=str(error))
            return _answer(503, error=f"not acknowledged: {error}")
        return _answer(200, acknowledged=[each.alarm_id for each in known], by=person)

    def _write(self, acknowledgements: list[Acknowledgement]) -> None:
        for said in acknowledgements:
            try:
                self._send(said.alarm_id.encode(), msgspec.json.encode(said), acknowledgement_headers(said))
            except BrokerUnavailableError:
                self.metrics.note_write(_KIND, acknowledged=False)
                raise
            self._history.alarms.add(said)
            self.metrics.note_write(_KIND, acknowledged=True)
            log.info("alarm acknowledged", alarm=said.alarm_id, coil=said.coil, rule=said.rule, by=said.by)

    async def show_metrics(self, _: Request) -> Response:
        return Response(await run_in_threadpool(self._exposition), media_type=CONTENT_TYPE_LATEST)

    def _exposition(self) -> bytes:
        metrics, history = self.metrics, self._history
        metrics.show_states(history.update_alarms())
        metrics.show_alarms(history.line_names, *history.alarms.counts())
        metrics.live.set(history.feed_state == "live")
        metrics.viewers.set(self.viewers())
        metrics.unknown_labels.set(len(history.unknown_labels()))
        return generate_latest(WithoutCreated(metrics.registry))


def _answer(status: int, **content: object) -> Response:
    return JSONResponse(content, status, headers={"cache-control": "no-store"})
