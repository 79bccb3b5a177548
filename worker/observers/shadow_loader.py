"""Assembles the shadow from its bundle, its topic and its threads."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from stripwatch.worker.config.observer_sections import ShadowSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import resolve_bundle
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.background_worker import lower_priority
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.observers.shadow import Shadow
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.model_reload import ModelReloader
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord

_CLOSE_S = 1.0


class ShadowDeployment(FrameObserver):
    """Loads and runs the shadow from `start` to `close`.

    An invalid or missing bundle only causes a log line and a metric.

    check_s: seconds between checks for another bundle. open_model: loads a bundle with the settings from
    `shadow_settings`.
    """

    def __init__(
        self,
        settings: ShadowSettings,
        check_s: float,
        topic_name: str,
        topic: BestEffortProducer,
        events: EventBuilder,
        open_model: Callable[[Bundle, Callable[[], None]], LoadedModel],
        metrics: Metrics,
    ) -> None:
        bundle = settings.bundle
        assert bundle is not None
        self._check_s = check_s
        self._topic_name = topic_name
        self._topic = topic
        self._encoder = msgspec.json.Encoder()
        self._shadow = Shadow(settings.share, events, metrics, self._publish)
        self._reloader = ModelReloader(
            lambda: resolve_bundle(bundle),
            open_model,
            self._shadow.use,
            metrics.shadow_swaps,
            running=None,
            what="shadow bundle",
        )
        metrics.watch(metrics.shadow_outdated, lambda: self._reloader.outdated)
        self._loading = threading.Thread(target=self._load, name="shadow-reload", daemon=True)

    def start(self) -> None:
        self._shadow.start()
        self._loading.start()

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        if isinstance(event, Result):
            self._shadow.offer(event, outcome.frame)

    def close(self, timeout_s: float) -> bool:
        """Stop loading and inspecting. Return False if a model is still running."""
        self._reloader.stop()
        ended = self._shadow.close(timeout_s)
        self._loading.join(timeout_s)  # waits for at most one run of a model being loaded: see model_reload.py
        self._topic.close(_CLOSE_S)
        return ended and not self._loading.is_alive()

    def _load(self) -> None:
        lower_priority()  # with one inference thread, the session runs on the calling thread
        self._reloader.run(self._check_s)

    def _publish(self, event: Result, frame: Frame) -> None:
        body = self._encoder.encode(event)
        key, headers = frame.camera.encode(), event_headers(frame, "shadow")
        self._topic.send(OutgoingRecord(self._topic_name, key, body, headers, frame.record_ms))


def shadow_settings(settings: Settings) -> Settings:
    """Return the settings for the shadow: one thread, single frames, and the thresholds of its own bundle.

    `novelty.verdict` applies to both bundles, so that their verdicts can be compared.
    """
    changes: dict[str, Any] = {
        "bundle": settings.shadow.bundle,
        "inference_threads": 1,
        "batch_frames_max": 1,
        "thresholds": {},
        "novelty": settings.novelty.model_copy(update={"threshold": None}),
    }
    return settings.model_copy(update=changes)
