"""Acknowledging alarms over HTTP, and the metrics of the page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from stripwatch.worker.config.page_sections import ViewSettings
from stripwatch.worker.contracts.line.acknowledgement import Acknowledgement
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.access import Access
from stripwatch.worker.dashboard.web.alarm_routes import AlarmRoutes
from tests.worker.dashboard.events import LINE, Shown
from tests.worker.dashboard.histories import NOW_MS, add
from tests.worker.dashboard.web.fake_topic import FakeTopic
from tests.worker.dashboard.web.requests_made import OWN, bearer, respond, scope_of

TOKEN = "shared-token-1234"
JSON = ("content-type", "application/json")
RULES = CoilRules(grading=GradingRules({"crack": "critical", "scratsh": "minor"}))


class Page:
    """A page server with one coil in alarm."""

    def __init__(self, topic: FakeTopic, settings: ViewSettings) -> None:
        self.topic = topic
        self.history = History(clock=lambda: NOW_MS / 1000, rules=RULES)
        add(self.history, Shown(0, label="crack"))
        self.history.say("live")
        self.history.update_alarms()
        self.routes = AlarmRoutes(self.history, Access(settings), topic.send, clock=lambda: NOW_MS / 1000)
        self.app = Starlette(routes=self.routes.routes())

    @property
    def alarm_id(self) -> str:
        (row,) = self.history.alarms.rows()
        found: str = row["id"]
        return found

    def post(self, body: Any, headers: Sequence[tuple[str, str]] | None = None) -> tuple[int, dict[str, Any]]:
        stated = [OWN, JSON, *bearer(TOKEN, "Ada Shift")] if headers is None else headers
        scope = scope_of(stated, path="/alarms/acknowledge")
        status, _, answer = respond(self.app, scope, json.dumps(body).encode())
        return status, json.loads(answer)

    def metrics(self) -> dict[tuple[str, str], float]:
        """Return the value of each metric of the page, by name and label value."""
        status, _, text = respond(self.app, scope_of(path="/metrics", method="GET"))
        assert status == 200
        return {
            (sample.name.removeprefix("stripwatch_view_"), ",".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name.startswith("stripwatch_view_")
        }


@pytest.fixture
def topic() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
def page(topic: FakeTopic, tmp_path: Path) -> Page:
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    return Page(topic, ViewSettings(token_file=file))


def test_an_acknowledgement_is_a_record_with_person_and_server_time(page: Page, topic: FakeTopic) -> None:
    alarm_id = page.alarm_id
    assert page.post({"ids": [alarm_id]}) == (200, {"acknowledged": [alarm_id], "by": "Ada Shift"})
    ((key, (value, headers)),) = topic.records.items()
    said = msgspec.json.decode(value, type=Acknowledgement)
    assert key == alarm_id.encode()
    assert (said.alarm_id, said.by, said.at, said.rule, said.label) == (
        *(alarm_id, "Ada Shift", "2027-01-15T08:00:00.000Z", "critical", "crack"),
    )
    assert headers["ce_type"] == b"stripwatch.acknowledgement.v1"
    assert headers["ce_source"] == LINE.encode()
    (row,) = page.history.alarms.rows()
    assert row["acknowledged"] == {"by": "Ada Shift", "at": said.at}


def test_the_alarm_stays_if_kafka_does_not_accept_the_record(page: Page, topic: FakeTopic) -> None:
    topic.broken = True
    status, answer = page.post({"ids": [page.alarm_id]})
    assert status == 503
    assert answer["error"].startswith("not acknowledged: topic 'inspection.acknowledgements'")
    assert page.history.alarms.rows()[0]["acknowledged"] is None
    assert page.metrics()["failed_writes_total", "acknowledgement"] == 1
    topic.broken = False
    assert page.post({"ids": [page.alarm_id]})[0] == 200
    assert page.metrics()["writes_total", "acknowledgement"] == 1


def test_nobody_acknowledges_without_a_sign_in(page: Page, topic: FakeTopic) -> None:
    assert page.post({"ids": [page.alarm_id]}, [OWN, JSON])[0] == 401
    assert (
        page.post({"ids": [page.alarm_id]}, [JSON, ("origin", "http://evil.example"), *bearer(TOKEN, "Ada")])[0] == 403
    )
    assert topic.records == {}


def test_nobody_acknowledges_until_writing_is_switched_on(topic: FakeTopic) -> None:
    page = Page(topic, ViewSettings())
    status, answer = page.post({"ids": [page.alarm_id]})
    assert status == 403
    assert "view.token_file" in answer["error"]
    assert topic.records == {}
    assert page.metrics()["alarms", LINE] == 1
    assert page.metrics()["alarms_unacknowledged", LINE] == 0


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": ["x" * 65]}, {"ids": ["a"] * 51}, {"ids": "a"}, {"ids": ["a"], "by": "Eve"}]
)
def test_invalid_requests_write_nothing(page: Page, topic: FakeTopic, body: Any) -> None:
    assert page.post(body)[0] == 400
    assert topic.records == {}


def test_an_alarm_that_is_gone_is_named(page: Page, topic: FakeTopic) -> None:
    status, answer = page.post({"ids": ["alarm-0"]})
    assert status == 404
    assert answer["error"].startswith("no such alarm")
    assert topic.records == {}


def test_metrics_state_the_coil_the_feed_and_unknown_classes(page: Page) -> None:
    found = page.metrics()
    assert found["coil_state", LINE] == 2
    assert found["alarms_unacknowledged", LINE] == 1
    assert found["live", ""] == 1
    assert found["unknown_labels", ""] == len(page.history.unknown_labels())
    page.history.say("lost", "no broker")
    page.post({"ids": [page.alarm_id]})
    found = page.metrics()
    assert found["live", ""] == 0
    assert (found["alarms", LINE], found["alarms_unacknowledged", LINE]) == (1, 0)
