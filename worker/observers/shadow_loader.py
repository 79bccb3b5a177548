"""The shadow put together: its bundle, its topic on Kafka, its threads."""

import threading
from typing import Any

import msgspec

from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.model.bundle_store import resolve_bundle
from stripwatch.worker.model.loaded_model import open_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.background_worker import lower_priority
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer, open_best_effort_producer
from stripwatch.worker.observers.shadow import Shadow
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.model_reload import ModelReloader
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord

_CLOSE_S = 1.0


class ShadowDeployment:
    """From `start` to `close`. A shadow bundle that is unfit, or not there yet, is a log line and a metric."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        assert settings.shadow is not None
        path, own = settings.shadow, shadow_settings(settings)
        self._check_s = settings.bundle_check_s
        self._topic_name = settings.topics.shadow
        self._topic = BestEffortProducer(lambda: open_best_effort_producer(settings), metrics.shadow_unpublished.inc)
        self._encoder = msgspec.json.Encoder()
        self._shadow = Shadow(settings.shadow_share, EventBuilder(settings.cameras), metrics, self._publish)
        self._reloader = ModelReloader(
            lambda: resolve_bundle(path),
            lambda bundle, raise_if_cancelled: open_model(bundle, own, raise_if_cancelled),
            self._shadow.use,
            metrics.shadow_swaps,
            running=None,
        )
        metrics.watch(metrics.shadow_outdated, lambda: self._reloader.outdated)
        self._loading = threading.Thread(target=self._load, name="shadow-swap", daemon=True)
        self.offer = self._shadow.offer

    def start(self) -> None:
        self._shadow.start()
        self._loading.start()

    def close(self) -> None:
        self._reloader.stop()
        self._shadow.close()
        self._loading.join()  # at most one run of a model that is being loaded: see model_reload.py
        self._topic.close(_CLOSE_S)

    def _load(self) -> None:
        lower_priority()  # with one thread, the session runs on the thread that calls it
        self._reloader.run(self._check_s)

    def _publish(self, event: Result, frame: Frame) -> None:
        body = self._encoder.encode(event)
        self._topic.send(OutgoingRecord(self._topic_name, frame.camera.encode(), body, event_headers(frame, "shadow")))


def shadow_settings(settings: Settings) -> Settings:
    """One thread, one frame at a time, and the thresholds of its own bundle."""
    changes: dict[str, Any] = {
        "bundle": settings.shadow,
        "inference_threads": 1,
        "batch_frames_max": 1,
        "thresholds": {},
    }
    return settings.model_copy(update=changes)
