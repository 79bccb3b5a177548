"""The web server of `stripwatch view`, which runs until a signal."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog
import uvicorn
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.listener import open_listener
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.dashboard.past.jobs import JobQueue
from stripwatch.worker.dashboard.past.past_coils import PastCoils
from stripwatch.worker.dashboard.past.pictures import ReportPictures
from stripwatch.worker.dashboard.reading.feed import Feed
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.reading.topic_follower import TopicFollower
from stripwatch.worker.dashboard.state.alarm_board import AlarmBoard, read_acknowledgement
from stripwatch.worker.dashboard.state.camera_health import CameraHealth
from stripwatch.worker.dashboard.state.cards import CARDS_MAX
from stripwatch.worker.dashboard.state.corrections import Corrections
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.state.page_rules import page_rules
from stripwatch.worker.dashboard.web.access import LOOPBACK_HOSTS, Access
from stripwatch.worker.dashboard.web.bounded_protocol import SEND_BUFFER_BYTES, BoundedProtocol
from stripwatch.worker.dashboard.web.correction_routes import correction_routes
from stripwatch.worker.dashboard.web.history_routes import HistoryRoutes
from stripwatch.worker.dashboard.web.routes import make_site
from stripwatch.worker.dashboard.writing.corrector import Corrector
from stripwatch.worker.dashboard.writing.page_producer import PageProducer
from stripwatch.worker.monitoring.view_metrics import ViewMetrics

log = structlog.get_logger()
_LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
_GRACE_S = 2
_BACKLOG = 128


def serve(settings: Settings, host: str, port: int, records_max: int) -> None:
    """Serve the live page until SIGTERM or SIGINT, and wait for a broker that is unreachable.

    records_max: number of the newest results and rejects to read at the start. Raises SettingsError if the port cannot
    be opened, or if the settings `view` are unsafe.
    """
    access = Access(settings.view, host)
    listener = listen(host, port)
    history, pictures = History(rules=page_rules(settings)), FrameFetcher(settings)
    feed = Feed(settings, history, records_max)
    producer, review_producer = PageProducer(settings), PageProducer(settings, settings.frames.bytes_max)
    metrics = ViewMetrics(CollectorRegistry())
    corrector = Corrector(settings, history, pictures.frame, review_producer, metrics)
    review_producer.on_outcome = partial(metrics.note_write, "correction")
    acknowledgements = follow_acknowledgements(settings, history.alarms)
    history.alarms.is_ready = lambda: history.has_read and acknowledgements.has_read.is_set()
    followers = [acknowledgements, follow_cameras(settings, history.health)]
    if access.writing:
        followers.append(follow_corrections(settings, history.corrections))
    searches, reported = JobQueue(), ReportPictures(settings, history.evidence)
    past = HistoryRoutes(PastCoils(settings, history, reported.add), searches, reported, pictures)
    hosts = _LOOPBACK if host in LOOPBACK_HOSTS else ["*"]
    config = uvicorn.Config(
        make_site(
            history,
            pictures,
            hosts,
            access,
            partial(producer.send, settings.topics.acknowledgements),
            correction_routes(corrector, access) if access.writing else (),
            metrics,
            past,
        ),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        ws="none",
        proxy_headers=False,  # X-Forwarded-For would replace the address by which a proxy is recognized
        http=BoundedProtocol,
    )
    feed.start()
    for follower in followers:
        follower.start()
    searches.start()
    try:
        say(f"serving the live page at {_url(listener)} (press Ctrl-C to stop)")
        _Server(config).run(sockets=[listener])
    finally:
        listener.close()
        searches.stop()
        feed.stop()
        for follower in followers:
            follower.stop()
        reported.close()
        pictures.close()
        producer.close()
        review_producer.close()


def follow_acknowledgements(settings: Settings, alarms: AlarmBoard) -> TopicFollower:
    """Return a reader of the acknowledgements that all page servers have written. Start it."""

    def add(record: Any) -> None:
        if said := read_acknowledgement(record.value):
            alarms.add(said)

    return TopicFollower(settings, settings.topics.acknowledgements, add, "acknowledge alarms on the page")


def follow_cameras(settings: Settings, health: CameraHealth, wall: Callable[[], float] = time.time) -> TopicFollower:
    """Return a reader of the states of cameras that workers publish. Start it.

    A state counts as heard when it arrives, because the clocks of workers may differ from the clock of the page. A
    state that is read from the past, at the start or after a lost connection, counts as heard at the time of its
    record.
    """

    def add(record: Any) -> None:
        now_ms = round(wall() * 1000)
        health.add(record.value, now_ms if follower.is_live else min(now_ms, record.timestamp))

    follower = TopicFollower(settings, settings.topics.cameras, add, "see the health of each camera on the page")
    return follower


def follow_corrections(settings: Settings, corrections: Corrections) -> TopicFollower:
    """Return a reader of the newest corrections that all page servers have written. Start it."""
    return TopicFollower(
        settings, settings.topics.review, corrections.add_record, "correct predictions on the page", CARDS_MAX
    )


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Browsers can connect from then on, before the server runs. Raises SettingsError."""
    listener = open_listener(host, port, _BACKLOG, f"--host {host} --port {port} (0: any free port)")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # every connection inherits it
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class _Server(uvicorn.Server):
    """A server that exits with code 0 on SIGTERM and SIGINT. uvicorn itself would raise the signal again at its end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop() -> None:
            self.should_exit = True

        with stop_on_signal(stop):
            yield
