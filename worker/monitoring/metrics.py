"""Metrics of a worker. The comments say what a value means for the person who watches it.

A coil is never a label, because there would be too many series.
"""

from typing import get_args

from prometheus_client import CollectorRegistry

from stripwatch.worker.contracts.events import Verdict
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.monitoring.health_metrics import connections_closed
from stripwatch.worker.monitoring.metric_groups.frame_metrics import FrameMetrics
from stripwatch.worker.monitoring.metric_groups.kafka_metrics import KafkaMetrics
from stripwatch.worker.monitoring.metric_groups.observer_metrics import ObserverMetrics


class Metrics(FrameMetrics, KafkaMetrics, ObserverMetrics):
    """Metrics of one worker. Create one instance per registry; a test creates a registry of its own."""

    def __init__(self, registry: CollectorRegistry, camera_labels_max: int = 64) -> None:
        super().__init__(registry, camera_labels_max)
        self._create_frames()
        self._create_faults()
        self._create_stages()
        self._create_kafka()
        self._create_health()
        self._create_model()
        self._create_observers()
        self._create_drift()
        self._create_shadow()
        self._begin_at_zero()

    def _create_health(self) -> None:
        """Create the metrics of readiness and of the health port."""
        # If it is 0 while /healthz reports 200, /readyz names the failing checks.
        self.ready = self._gauge("ready", "1 while /readyz reports ready, else 0.")
        self.connections_closed = connections_closed(self.registry)
        # Above rejects.share_max the worker reports unready and continues. Check the camera, its cable and its light.
        self.reject_share = self._gauge(
            "reject_share", "Share of rejects among the frames of the last rejects.window_s seconds, 0 to 1."
        )

    def _create_model(self) -> None:
        """Create the metrics of the running bundle and its device."""
        self.bundle_info = self._gauge(
            "bundle_info",
            "Always 1. The labels identify the running bundle and its execution provider.",
            "name",
            "version",
            "sha256",
            "precision",
            "provider",
        )
        # The share of novel frames of a camera that shows nothing new. No series: the bundle has no novelty score.
        self.novelty_expected = self._gauge(
            "novelty_expected_ratio",
            "Share of known frames that the running bundle calls novel: its false-alarm rate, or the share measured on "
            "the validation frames if that is higher.",
            "sha256",
        )
        # Two processes with the same device_id share a GPU. A GPU that no process reports is unused.
        self.device_info = self._gauge(
            "device_info",
            "Always 1. The labels name the execution provider and the GPU; device_id is empty on a CPU.",
            "provider",
            "device_id",
        )
        # If refused rises, an invalid bundle was deployed. The log gives the reason, and the previous bundle keeps
        # running.
        self.bundle_swaps = self._counter(
            "bundle_swaps", "Attempts to reload the model, by outcome: swapped or refused.", "outcome"
        )
        # If it stays 1 for longer than a load takes, the worker runs another bundle than the deployed one.
        self.bundle_outdated = self._gauge(
            "bundle_outdated", "1 while the running bundle is not the deployed one, else 0."
        )

    def _begin_at_zero(self) -> None:
        """Create the series at zero.

        Prometheus sees no increase in a series that begins at 1, so the first defect or reject would not count.
        """
        for verdict in (*get_args(Verdict), "skipped"):
            self.results.labels(verdict)
        for fault in ("too_large", "damaged"):
            self.batch_faults.labels(fault)
        for cause in ("deleted", "recreated", "truncated"):
            self.offset_resets.labels(cause)
        for outcome in ("sent", "over_quota", "dropped", "failed"):
            self.evidence_frames.labels(outcome)
            self.review_frames.labels(outcome)
        for quota in ("class", "novel"):
            for outcome in ("admitted", "over_quota"):
                self.review_quota.labels(quota, outcome)
        for outcome in ("sent", "failed"):
            self.camera_states.labels(outcome)

    def show_bundle(self, bundle: Bundle, provider: str) -> None:
        manifest = bundle.manifest
        self.bundle_info.clear()
        self.bundle_info.labels(manifest.name, manifest.version, bundle.sha256, manifest.precision, provider).set(1)
        self.novelty_expected.clear()
        if manifest.novelty is not None:
            self.novelty_expected.labels(bundle.sha256).set(manifest.novelty.expected_share)

    def show_device(self, provider: str, device_id: int | None) -> None:
        self.device_info.clear()
        self.device_info.labels(provider, "" if device_id is None else str(device_id)).set(1)
