"""The shadow put together: its bundle, its topic on Kafka, its threads."""

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from worker.connection import open_producer
from worker.errors import StripwatchError
from worker.event import EventMaker, Result
from worker.frame import Frame
from worker.metrics import Metrics
from worker.model import open_model
from worker.publish import event_headers
from worker.settings import Settings
from worker.shadow import Shadow, lower_priority
from worker.store import resolve
from worker.swap import BundleWatch

log = structlog.get_logger()
_SEND_S_MAX = 5.0
_PAUSE_S = 30.0  # after a failure: without it each frame would wait for a broker that is away
_CLOSE_S = 1.0


class ShadowLine:
    """From `start` to `close`. A shadow bundle that is unfit, or not there yet, is a log line and a metric."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        assert settings.shadow is not None
        path, own = settings.shadow, shadow_settings(settings)
        self._check_s = settings.bundle_check_s
        self._topic = ShadowTopic(lambda: open_producer(own), settings.topics.shadow, metrics)
        self._shadow = Shadow(settings.shadow_share, EventMaker(settings.cameras), metrics, self._topic.publish)
        self._watch = BundleWatch(
            lambda: resolve(path),
            lambda bundle, go_on: open_model(bundle, own, go_on),
            self._shadow.use,
            metrics.shadow_swaps,
            running=None,
        )
        metrics.watch(metrics.shadow_behind, lambda: self._watch.behind)
        self._threads = [
            threading.Thread(target=self._shadow.run, name="shadow", daemon=True),
            threading.Thread(target=self._load, name="shadow-swap", daemon=True),
        ]
        self.offer = self._shadow.offer

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._watch.stop()
        self._shadow.stop()
        for thread in self._threads:
            thread.join()  # at most one frame, or one run of a model that is being loaded: see swap.py
        self._topic.close()

    def _load(self) -> None:
        lower_priority()  # with one thread, the session runs on the thread that calls it
        self._watch.run(self._check_s)


class ShadowTopic:
    """The shadow's own producer, made when there is something to send: what it suffers, the first does not feel.

    open_producer: asked once. A producer that cannot be made leaves sockets behind (kafka-python 3.0.12), so there is
    no second try: the verdicts then go to metrics alone.
    """

    def __init__(self, open_producer: Callable[[], KafkaProducer], topic: str, metrics: Metrics) -> None:
        self._open_producer = open_producer
        self._topic = topic
        self._metrics = metrics
        self._encoder = msgspec.json.Encoder()
        self._producer: KafkaProducer | None = None
        self._again_s = 0.0

    def publish(self, event: Result, frame: Frame) -> None:
        """A record that does not reach the topic is counted; the first in a while is logged."""
        if time.monotonic() < self._again_s:
            self._metrics.shadow_unpublished.inc()
            return
        try:
            if self._producer is None:
                self._producer = self._open_producer()
            body = self._encoder.encode(event)
            headers = event_headers(frame, "shadow")
            future = self._producer.send(self._topic, body, key=frame.camera.encode(), headers=headers)
        except KafkaError as error:
            self._unpublished(error, _PAUSE_S)
        except StripwatchError as error:
            self._unpublished(error, float("inf"))
        else:
            future.add_errback(lambda error: self._unpublished(error, _PAUSE_S))

    def close(self) -> None:
        if self._producer is not None:
            try:
                self._producer.close(timeout=_CLOSE_S)
            except KafkaError as error:
                self._unpublished(error, _PAUSE_S)

    def _unpublished(self, error: Exception, pause_s: float) -> None:
        self._metrics.shadow_unpublished.inc()
        now_s = time.monotonic()
        if now_s >= self._again_s:
            log.warning("the shadow's topic takes no records", topic=self._topic, pause_s=pause_s, error=str(error))
        self._again_s = now_s + pause_s


def shadow_settings(settings: Settings) -> Settings:
    """One thread, one frame at a time, the thresholds of its own bundle, and no part in a transaction."""
    changes: dict[str, Any] = {
        "bundle": settings.shadow,
        "inference_threads": 1,
        "batch_frames_max": 1,
        "thresholds": {},
        "delivery": "at-least-once",
        "send_s_max": _SEND_S_MAX,
    }
    return settings.model_copy(update=changes)
