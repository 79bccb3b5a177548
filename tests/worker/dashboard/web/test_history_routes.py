"""The routes of the history: progress and results as events, files, and the end of a search nobody waits for."""

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.types import Message

from stripwatch.worker.dashboard.past import jobs
from stripwatch.worker.dashboard.past.errors import HistoryError
from stripwatch.worker.dashboard.past.jobs import JobQueue, Outcome, Watch
from stripwatch.worker.dashboard.past.past_coils import PastCoils
from stripwatch.worker.dashboard.past.pictures import ReportPictures
from stripwatch.worker.dashboard.past.query import CoilQuery
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.history_routes import LISTED_MAX, HistoryRoutes
from stripwatch.worker.monitoring.view_metrics import SEARCH_FAILURES, ViewMetrics
from tests.waiting import wait_until
from tests.worker.dashboard.past.line_on_kafka import LineOnKafka, settings
from tests.worker.dashboard.web.requests_made import respond, scope_of


@pytest.fixture
def line() -> LineOnKafka:
    line = LineOnKafka()
    line.run("C-100", 50, {3: "pits"})
    line.run("C-101", 10)
    return line


class Site:
    """The routes with a running queue. metrics: those of the page."""

    def __init__(self, line: LineOnKafka, **options: Any) -> None:
        history = History()
        self.queue = JobQueue(**options)
        self.past = PastCoils(settings(), history, lambda frame: frame.id, open_consumer=line.kafka.open)
        pictures, fetcher = ReportPictures(settings(), history.evidence), FrameFetcher(settings())
        routes = HistoryRoutes(self.past, self.queue, pictures, fetcher)
        self.metrics = ViewMetrics(CollectorRegistry())
        routes.count_failures(self.metrics.failed_searches)
        self.app = Starlette(routes=routes.routes())

    def get(self, path: str, query: str = "") -> tuple[int, dict[str, str], bytes]:
        scope = scope_of(path=path, method="GET") | {"query_string": query.encode()}
        return respond(self.app, scope)

    def events(self, path: str, query: str = "") -> list[tuple[str, Any]]:
        status, headers, body = self.get(path, query)
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        lines = [block.split("\n") for block in body.decode().strip().split("\n\n")]
        return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]


@pytest.fixture
def site(line: LineOnKafka) -> Iterator[Site]:
    site = Site(line)
    site.queue.start()
    yield site
    site.queue.stop()


def test_search_answers_with_its_progress_and_the_newest_coils_first(site: Site) -> None:
    *progress, (name, found) = site.events("/history/coils")
    assert {event for event, _ in progress} == {"progress"}
    assert name == "done"
    assert [coil["coil"] for coil in found["coils"]] == ["C-101", "C-100"]
    assert found["total"] == 2
    assert "strip_defects" not in found["coils"][0]


def test_page_lists_a_limited_number_of_coils_and_the_file_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripwatch.worker.dashboard.web.history_routes.LISTED_MAX", 1)
    assert LISTED_MAX == 500
    found = site.events("/history/coils")[-1][1]
    assert ([coil["coil"] for coil in found["coils"]], found["total"]) == (["C-101"], 2)
    status, headers, body = site.get("/history/coils.csv")
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert (status, [row["coil"] for row in rows]) == (200, ["C-100", "C-101"])
    assert headers["content-disposition"] == 'attachment; filename="history.csv"'
    assert [coil["coil"] for coil in json.loads(site.get("/history/coils.json", "coil=100")[2])["coils"]] == ["C-100"]


def test_wrong_parameter_is_an_event_and_an_error_of_a_file(site: Site) -> None:
    message = "'from' must be a time such as 2026-11-23T06:00:00Z, not 'x'"
    assert site.events("/history/coils", "from=x") == [("failed", {"error": message, "status": 400})]
    status, _, body = site.get("/history/coils.csv", "from=x")
    assert (status, json.loads(body)) == (400, {"error": message})


def test_unreachable_kafka_is_reported_and_counted(site: Site, line: LineOnKafka) -> None:
    line.kafka.failing = True
    ((_, answer),) = (event for event in site.events("/history/coils") if event[0] == "failed")
    assert answer["status"] == 503
    assert "the broker is gone" in answer["error"]
    status, _, body = site.get("/history/shifts.csv")
    assert (status, "the broker is gone" in json.loads(body)["error"]) == (503, True)
    assert b'stripwatch_view_failed_searches_total{reason="kafka"} 2.0' in generate_latest(site.metrics.registry)


def test_every_reason_of_a_failure_is_a_label_of_the_metric() -> None:
    kinds: list[type[HistoryError]] = [HistoryError, *HistoryError.__subclasses__()]
    assert sorted(kind.reason for kind in kinds if kind.reason) == sorted(SEARCH_FAILURES)


def test_report_and_shifts_are_served_as_events_and_files(site: Site) -> None:
    coil = site.events("/history/coils", "coil=C-100")[-1][1]["coils"][0]
    name, report = site.events("/history/report", f"id={coil['id']}")[-1]
    assert (name, report["coil"]["coil"], len(report["most_serious"])) == ("done", "C-100", 1)
    assert json.loads(site.get("/history/report.json", f"id={coil['id']}")[2])["coil"]["coil"] == "C-100"
    assert site.events("/history/report", "id=none")[-1][0] == "failed"
    assert site.get("/history/report.json", "id=none")[0] == 404
    assert len(site.events("/history/shifts", "count=2")[-1][1]["shifts"]) == 2
    assert len(site.get("/history/shifts.csv", "count=2")[2].splitlines()) == 3
    assert site.events("/history/kafka")[-1][1]["results"] == 60
    assert site.get("/history/recent.json", "id=none")[2] == b"null"


def test_serves_only_pictures_of_reports(site: Site) -> None:
    assert [site.get(f"/{kind}/report/none.jpg")[0] for kind in ("frames", "evidence")] == [404, 404]


class Slow:
    """A search that runs until it is cancelled."""

    def __init__(self) -> None:
        self.started, self.ended = threading.Event(), threading.Event()

    def __call__(self, _: CoilQuery, watch: Watch) -> Outcome[Any]:
        self.started.set()
        try:
            while True:
                watch.step(1, 2)
        finally:
            self.ended.set()


@pytest.mark.parametrize("path", ["/history/coils", "/history/coils.json"])
def test_search_is_cancelled_when_the_viewer_leaves(site: Site, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(site.past, "find", slow)

    async def receive() -> Message:
        while not slow.started.is_set():
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        pass

    asyncio.run(site.app(scope_of(path=path, method="GET"), receive, send))
    assert slow.ended.wait(30)
    following = site.queue.join("next", lambda _: Outcome("next"))
    wait_until(lambda: following.outcome is not None)


def test_full_queue_is_an_error_that_says_when_to_try_again(line: LineOnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_WAITING_MAX", 0)
    site = Site(line)
    ((name, answer),) = site.events("/history/coils")
    assert (name, answer["status"]) == ("failed", 503)
    assert "try again in a minute" in answer["error"]
    assert site.get("/history/coils.json")[0] == 503
