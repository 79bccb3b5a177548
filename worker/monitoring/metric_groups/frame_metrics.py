"""Metrics of the frames of a worker: what happens to them, their faults, and the time that the stages take."""

from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.events import FrameFlag, UnsureReason
from stripwatch.worker.monitoring.metric_groups.metric_group import BoundedLabels, MetricGroup

REPLAYED = "replayed"  # label value for replayed frames, which do not show that their camera is sending
_AGE_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_NOVELTY_RATIOS = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10)
STAGE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class FrameMetrics(MetricGroup):
    """The part of a worker's metrics that describes frames. `Metrics` creates it."""

    def __init__(self, registry: CollectorRegistry, camera_labels_max: int) -> None:
        super().__init__(registry)
        self._cameras = BoundedLabels(camera_labels_max)
        self._begun_cameras: set[str] = set()

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
            STAGE_S,
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
