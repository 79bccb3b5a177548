"""Metrics of a worker. The comments say what a value means for the person who watches it.

A coil is never a label, because there would be too many series.
"""

from typing import get_args

from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.events import FrameFlag, UnsureReason, Verdict
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.monitoring.health_metrics import connections_closed
from stripwatch.worker.monitoring.kafka_metrics import KafkaMetrics
from stripwatch.worker.monitoring.metric_group import BoundedLabels

_STAGE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SCORES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
_NOVELTY_RATIOS = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10)
REPLAYED = "replayed"  # label value for replayed frames, which do not show that their camera is sending
_AGE_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics(KafkaMetrics):
    """Metrics of one worker. Create one instance per registry; a test creates a registry of its own."""

    def __init__(self, registry: CollectorRegistry, camera_labels_max: int = 64) -> None:
        super().__init__(registry)
        self._cameras = BoundedLabels(camera_labels_max)
        self._begun_cameras: set[str] = set()
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

    def _create_frames(self) -> None:
        """Create the metrics of what happens to frames."""
        # Its rate is the load. A flat line means that no frames arrive.
        self.frames = self._counter(
            "frames", 'Frames read from Kafka, by camera. Replayed frames count as camera "replayed".', "camera"
        )
        # Follows frames_total together with rejects_total. The difference is the number of frames in flight.
        self.results = self._counter(
            "results",
            'Acknowledged results by verdict; "skipped" for frames skipped because they were late.',
            "verdict",
        )
        self.defects = self._counter(
            "defects", "Defects in acknowledged results, by label and camera.", "label", "camera"
        )
        # damaged: the image file is damaged. bit_depth: the bit depth of the samples is not declared. size, scale:
        # unlike the training frames. progressive: a progressive JPEG, which can hide damage. second_image: a second
        # image follows in the same file. The verdict of a flagged frame is always unsure.
        self.flagged_frames = self._counter(
            "flagged_frames",
            "Frames flagged as unsure for a reason other than the scores, by camera and flag.",
            "camera",
            "flag",
        )
        # Each reason has its own remedy. novel: see the runbook of StripwatchNovelFrames. flag: see flagged_frames.
        # score: label review frames and retrain.
        self.unsure_frames = self._counter(
            "unsure_frames", "Acknowledged results with verdict unsure, by camera and reason.", "camera", "reason"
        )
        # The novel frames of unsure_frames are a share of these.
        self.novelty_frames = self._counter(
            "novelty_frames",
            "Acknowledged results whose novelty score was compared with the threshold, by camera.",
            "camera",
        )
        # Frames of the known kind lie below 1. A shift of the whole distribution shows a changed lamp, lens or product.
        self.novelty_ratio = self._histogram(
            "novelty_ratio", "Novelty score of a frame, divided by the threshold of its model.", _NOVELTY_RATIOS
        )
        # Of a bundle that decodes to grey and was trained on images without colour. The share of coloured frames tells
        # a stain from another camera; see the runbook of StripwatchCameraColoured.
        self.colour_checks = self._counter(
            "colour_checks",
            "Frames that were also decoded in colour, by camera and whether they have colour: coloured or grey.",
            "camera",
            "colour",
        )

    def _create_faults(self) -> None:
        """Create the metrics of frames that are rejected, late, or inspected with restrictions."""
        # The memory limit is too low for inflight.bytes_max and the frame size. If waiting does not help, the worker
        # exits.
        self.memory_shortages = self._counter(
            "memory_shortages", "Steps that ran out of memory and were retried, or ended the worker."
        )
        # The heatmap branch of the model overflows, which happens first in fp16. The location of these defects is
        # unknown.
        self.unlocated_defects = self._counter(
            "unlocated_defects", "Defects without a box, from a model that has heatmaps."
        )
        # A camera or its cable usually fails long before the line does. Watch the rate by reason and camera.
        self.rejects = self._counter(
            "rejects",
            'Acknowledged rejects, by reason and camera. Replayed frames count as camera "replayed".',
            "reason",
            "camera",
        )
        # too_large: the batch decompresses to more than a quarter of inflight.bytes_max. damaged: wrong checksum,
        # compression or record structure. All frames of the batch are rejected.
        self.batch_faults = self._counter(
            "batch_faults", "Record batches that could not be read, by fault. All their frames are rejected.", "fault"
        )
        # The headers of a sender cannot be parsed. Its frames are inspected, but their strip position or coil may be
        # missing.
        self.header_faults = self._counter("header_faults", "Malformed frame headers, by header name.", "header")
        # Rises first when the worker cannot keep up.
        self.frame_age = self._histogram(
            "frame_age_seconds", "Age of a frame in seconds, from its capture to its acknowledged result.", _AGE_S
        )
        # The clock of a camera is ahead of the clock of this host, so the ages of its frames are meaningless.
        self.negative_ages = self._counter(
            "negative_frame_ages", "Frames with a capture time in the future. Their age counts as 0."
        )
        # A rising count means that the worker is too slow for its cameras, or that the clock of a camera is behind.
        self.late_frames = self._counter(
            "late_frames", "Frames older than deadline_ms when their batch was about to run."
        )

    def _create_stages(self) -> None:
        """Create the metrics of the stages and queues."""
        # Shows which stage takes the time. queue: decoded and waiting for the device.
        stage = self._histogram(
            "stage_seconds",
            "Seconds that a frame spent in a stage: decode, queue, inference or publish.",
            _STAGE_S,
            "stage",
        )
        self.decode_seconds = stage.labels("decode")
        self.queue_seconds = stage.labels("queue")
        self.inference_seconds = stage.labels("inference")
        self.publish_seconds = stage.labels("publish")
        # Stays at 1 under load if single frames are fastest on this machine, or if decoding is the bottleneck.
        self.batch_frames = self._histogram(
            "batch_frames", "Frames per inference batch.", (1, 2, 4, 8, 16, 32, 64, 128)
        )
        # Its rate is the share of time in which the device works. Under load it should be close to 1.
        self.device_busy = self._counter(
            "device_busy_seconds", "Seconds that batches spent on the device, divided by batches_in_flight."
        )
        # If decode is full, inference or decoding is the bottleneck. If publish is full, building events is. A slow
        # broker shows in neither, but in inflight_frames and in the publish stage time.
        self.queue_frames = self._gauge("queue_frames", "Frames waiting in a queue.", "queue")
        self.inflight_frames = self._gauge(
            "inflight_frames", "Frames in flight: read from Kafka and without an acknowledged result."
        )
        self.inflight_bytes = self._gauge("inflight_bytes", "Encoded bytes of the frames in flight.")
        # Close to inflight.decoded_bytes_max, frames wait for memory before they are decoded.
        self.inflight_decoded_bytes = self._gauge(
            "inflight_decoded_bytes", "Bytes reserved for frames that are being decoded or wait for inference."
        )

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

    def _create_drift(self) -> None:
        """Create the metrics of camera conditions and drift.

        A camera has series from its first frame on, for as long as its partition is assigned to this worker.
        """
        # If it is 1, check the camera. silent: no frames. rejecting: many frames cannot be inspected. frozen: the same
        # image again and again. misnamed: the settings name this camera with different upper and lower case, so its
        # scale and side are not used. untrained_size: its frames differ in size or scale from the training frames.
        # novel: far more frames are novel than the false alarms to expect. coloured: frames have colour, which the
        # model does not see. drifting: brightness, contrast, sharpness or noise is beyond drift.distance_max.
        self.camera_condition = self._gauge(
            "camera_condition", "1 while a camera is in this condition, else 0.", "camera", "condition"
        )
        # Compare it with frame_statistic: dark and bright with brightness, low_contrast with contrast, noisy with
        # noise, blurred with sharpness.
        self.camera_limit = self._gauge(
            "camera_limit",
            "Limit of an image statistic beyond which a camera is in this condition, in the unit of the statistic.",
            "camera",
            "condition",
        )
        # Falling brightness points to an aging lamp, falling sharpness to a dirty or loose lens.
        self.frame_statistic = self._gauge(
            "frame_statistic", "Mean of an image statistic over the newest frames of a camera.", "camera", "statistic"
        )
        # Beyond 1 in either direction, the frames are hardly comparable with the training frames.
        self.frame_drift = self._gauge(
            "frame_drift",
            "Distance of frame_statistic from the bundle's reference, in standard deviations of the reference.",
            "camera",
            "statistic",
        )
        self.score_statistic = self._gauge(
            "score_statistic",
            "Mean confidence and share of unsure verdicts over the newest results of a camera.",
            "camera",
            "statistic",
        )
        # Falling confidence or a rising unsure share means that the model sees what it was not trained on. classes: the
        # mix of labels differs from the validation frames, which may be a property of the strip.
        self.score_drift = self._gauge(
            "score_drift",
            'Difference of score_statistic from the bundle\'s reference for the same labels; "classes" compares the '
            "label mix.",
            "camera",
            "statistic",
        )

    def _create_observers(self) -> None:
        """Create the metrics of evidence images, review frames and states of cameras."""
        # sent: acknowledged. over_quota: skipped because of the configured limit. dropped: the queue was full or the
        # topic unavailable. failed: the event announces an evidence image, but there is none.
        self.evidence_frames = self._counter(
            "evidence_frames",
            "Frames with a defect, by what happened to their evidence image: sent, over_quota, dropped or failed.",
            "outcome",
        )
        # failed: the topic is not available or the record was refused; the live page then shows the camera as unknown.
        self.camera_states = self._counter(
            "camera_states", "States of cameras for topics.cameras, by outcome: sent or failed.", "outcome"
        )
        # If over_quota is high, the model is often unsure of similar frames. Label some of them and retrain.
        self.review_frames = self._counter(
            "review_frames",
            "Frames for a person to label, by what happened to the review frame: sent, over_quota, dropped or failed.",
            "outcome",
        )
        # If quota novel is often over_quota, raise review.novel_per_hour_max, or see StripwatchNovelFrames.
        self.review_quota = self._counter(
            "review_quota_frames",
            "Frames for a person to label, by quota and by whether it admitted them: admitted or over_quota.",
            "quota",
            "outcome",
        )

    def _create_shadow(self) -> None:
        """Create the metrics of the shadow."""
        self.shadow_info = self._gauge(
            "shadow_info", "Always 1. The labels identify the running shadow bundle.", "name", "version", "sha256"
        )
        # agrees: same verdict and same label. dropped: the shadow is too slow for its share, or is not loaded.
        self.shadow_frames = self._counter(
            "shadow_frames",
            "Frames selected for the shadow, by outcome: agrees, differs, dropped or failed.",
            "outcome",
        )
        # Frames with verdict defect and shadow_verdict clean are defects that the shadow would miss.
        self.shadow_verdicts = self._counter(
            "shadow_verdicts",
            "Frames by the verdict of the production model and of the shadow.",
            "verdict",
            "shadow_verdict",
        )
        self.shadow_score_difference = self._histogram(
            "shadow_score_difference",
            "Largest difference between the scores of the production model and of the shadow for one label.",
            _SCORES,
        )
        self.shadow_seconds = self._histogram(
            "shadow_seconds", "Seconds that the shadow takes to decode and run one frame.", _STAGE_S
        )
        self.shadow_unpublished = self._counter("shadow_unpublished", "Shadow results that were not published.")
        self.shadow_swaps = self._counter(
            "shadow_swaps", "Attempts to reload the shadow, by outcome: swapped or refused.", "outcome"
        )
        self.shadow_outdated = self._gauge(
            "shadow_outdated", "1 while the running shadow is not the deployed one, else 0; 0 without a shadow."
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

    def count_frame(self, camera: str, *, is_replay: bool) -> None:
        """Count a frame read from Kafka.

        A replayed frame is not counted for its camera, because a silent camera must not seem to send.
        """
        label = REPLAYED if is_replay else self.camera_label(camera)
        self.frames.labels(label).inc()
        if not is_replay and label not in self._begun_cameras:
            self._begun_cameras.add(label)  # Prometheus sees no increase in a series that begins at 1
            for flag in FrameFlag:
                self.flagged_frames.labels(label, flag)
            for reason in RejectReason:
                self.rejects.labels(reason, label)
            for unsure_reason in UnsureReason:
                self.unsure_frames.labels(label, unsure_reason)
            self.novelty_frames.labels(label)
            for colour in ("grey", "coloured"):
                self.colour_checks.labels(label, colour)

    def camera_label(self, camera: str) -> str:
        return self._cameras.label(camera)

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

    def show_shadow(self, bundle: Bundle) -> None:
        self.shadow_info.clear()
        self.shadow_info.labels(bundle.manifest.name, bundle.manifest.version, bundle.sha256).set(1)
