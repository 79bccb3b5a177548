"""Serves the page with the scene in this process, and `python -m tests.worker.dashboard.scene.serve` to look at it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import uvicorn

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.header_names import OWN_PREFIX
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.topics import REJECTS, RESULTS
from stripwatch.worker.dashboard.past.jobs import JobQueue
from stripwatch.worker.dashboard.past.past_coils import PastCoils
from stripwatch.worker.dashboard.past.pictures import ReportPictures
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.history_routes import HistoryRoutes
from stripwatch.worker.dashboard.web.routes import make_site
from tests.worker.dashboard.past.fake_kafka import FakeKafka
from tests.worker.dashboard.scene.camera_states import states
from tests.worker.dashboard.scene.people import writing
from tests.worker.dashboard.scene.pictures import LONG_PX, NOVEL, ScenePictures
from tests.worker.dashboard.scene.story import NOW_S, Told, events

_HOSTS = ["127.0.0.1"]


class Clock:
    """A clock that the scene sets. It stands still while the page is served, so every age on it is known."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True)
class Shown:
    """The served scene. address: URL of the page, with a slash at its end."""

    address: str
    history: History
    pictures: ScenePictures
    clock: Clock


def fill(
    history: History, clock: Clock, pictures: ScenePictures, now_s: float = NOW_S, kafka: FakeKafka | None = None
) -> None:
    """Add all events as the feed does, with the clock at the time of each, and leave the clock at `now_s`.

    kafka: receives the events too, for searches of the history and for reports.
    """
    closed_s = 0.0
    history.say("reading")
    for told in events(now_s):
        clock.now_s = min(told.read_s, now_s)
        if clock.now_s - closed_s >= 5:
            history.close_coils(clock.now_s)
            closed_s = clock.now_s
        _add(history, pictures, told, clock.now_s)
        if kafka is not None:
            _send(kafka, told)
    clock.now_s = now_s
    history.close_coils(now_s)
    for state, heard_ms in states(now_s):
        assert history.health.add(state, heard_ms)
    history.say("live")


def _add(history: History, pictures: ScenePictures, told: Told, now_s: float) -> None:
    if told.value is None:
        place = Position("inspection.rejects", 0, told.offset)
        history.add_reject(told.camera.encode(), told.headers, round(1000 * told.read_s), now_s, True, place)
        pictures.add_reject(told.offset, dict(told.headers)[f"{OWN_PREFIX}reason"].decode())
        return
    history.add_result(told.value, round(1000 * told.read_s), now_s, live=True)
    if told.evidence_id:
        history.evidence.add(told.evidence_id.encode(), Position("inspection.evidence", 0, told.offset))
    if b'"verdict":"defect"' in told.value:
        result = msgspec.json.decode(told.value, type=Result)
        size_px = result.frame.width_px or 0, result.frame.height_px or 0
        pictures.add(told.offset, result.defects[0].label, size_px, result.defects[0].score)
    elif b'"reason":"novel"' in told.value:
        pictures.add(told.offset, NOVEL, LONG_PX, 0.9)


def _send(kafka: FakeKafka, told: Told) -> None:
    topic = REJECTS if told.value is None else RESULTS
    kafka.send(topic, told.value, round(1000 * told.read_s), told.camera.encode(), told.headers)


@contextmanager
def served(
    history: History, pictures: Any, port: int = 0, kafka: FakeKafka | None = None, **options: Any
) -> Iterator[str]:
    """Serve the page of a history on loopback, in a thread, and yield its address.

    kafka: what Kafka still has. options: of `make_site`.
    """
    with socket.create_server(("127.0.0.1", port)) as listener, _past(history, pictures, kafka) as past:
        site = make_site(history, cast(FrameFetcher, pictures), _HOSTS, past=past, **options)
        server = uvicorn.Server(uvicorn.Config(site, log_config=None, timeout_graceful_shutdown=1, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            pictures.close()
            server.should_exit = True
            thread.join(timeout=30)


@contextmanager
def _past(history: History, pictures: Any, kafka: FakeKafka | None) -> Iterator[HistoryRoutes]:
    settings, queue = load_settings(None, {}), JobQueue()
    kafka = kafka or FakeKafka()
    kafka.create(RESULTS, REJECTS)
    reported = ReportPictures(settings, history.evidence)
    past = PastCoils(settings, history, reported.add, clock=lambda: NOW_S, open_consumer=kafka.open)
    queue.start()
    try:
        yield HistoryRoutes(past, queue, reported, cast(FrameFetcher, pictures))
    finally:
        queue.stop()
        reported.close()


@contextmanager
def served_scene(port: int = 0) -> Iterator[Shown]:
    """Fill a history with the scene in a few seconds, and serve it to people who may write."""
    clock, pictures = Clock(), ScenePictures()
    history, kafka = History(clock=clock), FakeKafka()
    fill(history, clock, pictures, kafka=kafka)
    with writing() as options, served(history, pictures, port, kafka, **options) as address:
        yield Shown(address, history, pictures, clock)


if __name__ == "__main__":
    with served_scene(port=8800) as shown:
        input(f"{shown.address} shows the scene; press Enter to stop\n")
