"""Every metric, each with its story. A coil is never a label: there are too many of them."""

from collections.abc import Callable
from contextlib import suppress
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.events import FrameFlag, Verdict
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.monitoring.bounded_server import CloseReason

_STAGE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SCORES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
OTHER = "other"  # stands for every camera past the limit
REPLAYED = "replayed"  # stands for the camera of a frame that was sent again: it does not send now
_AGE_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


def connections_closed(registry: CollectorRegistry | None) -> Counter:
    """The counter of a health port; a supervisor has one of its own, which it shows with those of its workers.

    too_many: the oldest made room for a new one. timeout: it was open for too long. Either way a client opens
    connections and asks nothing, or does not read. handshake: failed TLS handshakes. The log names its address.
    """
    counter = Counter(
        "stripwatch_health_connections_closed",
        "Connections to the health port that were closed before their client had its answer.",
        ["reason"],
        registry=registry,
    )
    for reason in get_args(CloseReason):  # Prometheus sees no increase in a series that begins at 1
        counter.labels(reason)
    return counter


def certificate_expiry(registry: CollectorRegistry) -> Gauge:
    """Of a health port that speaks TLS; other ports do not have it."""
    return Gauge(
        "stripwatch_health_certificate_expiry_timestamp_seconds",
        "When the TLS certificate of the health port expires.",
        registry=registry,
    )


class Metrics:
    """Made once per registry; a test makes its own registry and reads it."""

    def __init__(self, registry: CollectorRegistry, camera_labels_max: int = 64) -> None:
        self.registry = registry
        self._cameras = BoundedLabels(camera_labels_max)
        # Flat while cameras run: nothing arrives. Its rate is the load.
        self.frames = self._counter("frames", "Frames taken from Kafka; camera: replayed where sent again.", "camera")
        # Together with rejects this follows frames; the distance is what is in flight.
        self.results = self._counter(
            "results", "Acknowledged results; verdict: skipped where there is none.", "verdict"
        )
        self.defects = self._counter("defects", "Defects in acknowledged results.", "label", "camera")
        # damaged: an image file. bit_depth: nothing states how many bits its samples have. size, scale: unlike the
        # training frames. progressive: a JPEG in which damage can hide. second_image: another image follows. Each has
        # the verdict unsure, whatever its scores are.
        self.flagged_frames = self._counter(
            "flagged_frames", "Frames whose verdict is unsure for a reason outside the model.", "camera", "flag"
        )
        self._flag_series: set[str] = set()
        # The limit of memory is too low for inflight.bytes_max and the size of the frames; at last the worker ends.
        self.memory_shortages = self._counter("memory_shortages", "Times that memory was not enough for a step.")
        # The heatmap branch of the model overflows, in fp16 first: where these defects are is not known.
        self.unlocated_defects = self._counter("unlocated_defects", "Defects without a box from a model with heatmaps.")
        # A camera or its cable fails long before the line does: watch the rate by reason.
        self.rejects = self._counter("rejects", "Acknowledged rejects.", "reason")
        # too_large: a batch unpacks to more than a quarter of inflight.bytes_max. damaged: checksum, compression or
        # record structure. Each of its frames is rejected.
        self.batch_faults = self._counter("batch_faults", "Record batches that could not be read as sent.", "fault")
        # A sender whose headers cannot be read: frames are inspected, their place on the coil is lost.
        self.header_faults = self._counter("header_faults", "Headers that are there but malformed.", "header")
        # Exposure at the camera to acknowledged event. Rises first when the worker falls behind.
        self.frame_age = self._histogram("frame_age_seconds", "Capture to acknowledged result.", _AGE_S)
        # A camera's clock runs ahead of this one: its ages mean nothing.
        self.negative_ages = self._counter(
            "negative_frame_ages", "Frames captured in the future; their age counts as 0."
        )
        # Grows: the worker is too slow for its cameras, or one camera's clock is behind.
        self.late_frames = self._counter("late_frames", "Frames older than deadline_ms when their batch went out.")
        # Which stage takes the time. queue: decoded and waiting for the device.
        stage = self._histogram("stage_seconds", "Time of a frame in a stage.", _STAGE_S, "stage")
        self.decode_seconds = stage.labels("decode")
        self.queue_seconds = stage.labels("queue")
        self.inference_seconds = stage.labels("inference")
        self.publish_seconds = stage.labels("publish")
        # Stuck at 1 under load: one frame at a time is fastest here, or decoding is the bottleneck.
        self.batch_frames = self._histogram("batch_frames", "Frames in a batch.", (1, 2, 4, 8, 16, 32, 64, 128))
        # Its rate is the share of time in which the device works: under load the nearer to 1 the better.
        self.device_busy = self._counter("device_busy_seconds", "Time with a batch on the device; several share it.")
        # decode full: the device or the decoders bind. publish full: making events binds. A slow broker shows in
        # neither, but in inflight_frames and in the stage time of publish.
        self.queue_frames = self._gauge("queue_frames", "Frames that wait for a stage.", "queue")
        self.inflight_frames = self._gauge("inflight_frames", "Frames between Kafka and acknowledged result.")
        self.inflight_bytes = self._gauge("inflight_bytes", "Their encoded bytes.")
        # Near inflight.decoded_bytes_max: frames wait for memory before they are decoded.
        self.inflight_decoded_bytes = self._gauge(
            "inflight_decoded_bytes", "Memory for frames that are decoded, and for those that wait for the model."
        )
        self._make_kafka()
        # 0 with healthz still fine: look at /readyz, it says why.
        self.ready = self._gauge("ready", "1 while /readyz says yes.")
        self.connections_closed = connections_closed(registry)
        self._make_model()
        # Near rejects.share_max: a camera, its cable or its light. Above it the worker is unready, and continues.
        self.reject_share = self._gauge("reject_share", "Rejects among the frames of the last rejects.window_s.")
        self._make_observers()
        self._make_drift()
        self._make_shadow()
        self._begin_at_zero()

    def _make_kafka(self) -> None:
        """Of the topics that are read and written, and of the group."""
        # Grows while frames_total runs: the worker is too slow for its cameras.
        self.lag_frames = self._gauge(
            "consumer_lag_frames", "Frames in Kafka without acknowledged result.", "partition"
        )
        self.commit_failures = self._counter("commit_failures", "Commits of offsets that Kafka refused.")
        # aborted grows: a rebalance or a broker came between; its frames are read again. Growing fast: see the log.
        self.transactions = self._counter("transactions", "With delivery exactly-once.", "outcome")
        # Each is a fault at a broker, or a setting of a topic: the log says which.
        self.producer_rebuilds = self._counter("producer_rebuilds", "Failed producers that were replaced.")
        # too_large, timestamp, missing_topic: a setting of a topic, or a clock. rebalance: ordinary under exactly-once.
        self.producer_failures = self._counter("producer_failures", "Failures of the producer of results.", "reason")
        # Such a reject cannot be replayed: raise max.message.bytes of its topic.
        self.rejects_shortened = self._counter(
            "rejects_shortened", "Rejects that carry less of their frame, since their topic takes no more."
        )
        # 1: set the clock. Until then records carry the time of their frames.
        self.clock_refused = self._gauge("clock_refused", "1 while Kafka refuses records with this host's time.")
        # Worked on and not published, since they come again: after a rebalance that could not wait, or a fault.
        self.frames_read_again = self._counter("frames_read_again", "Frames dropped before a result, to be read again.")
        # Gone before anybody has read them: retention is too short, or the worker was away or behind for too long.
        self.frames_deleted = self._counter("frames_deleted", "Frames that Kafka deleted before they were read.")
        # deleted: as above. recreated: the topic was recreated. truncated: a broker lost its newest frames.
        self.offset_resets = self._counter("offset_resets", "Jumps of the reading position.", "cause")
        # Cameras may have changed their partition: for a moment the order of their frames is not certain.
        self.partitions_added = self._counter(
            "partitions_added", "Partitions that appeared while the group was running; each read from its beginning."
        )
        # Once, when a new group begins at the end. Later: the offsets of the group were deleted.
        self.frames_skipped_at_start = self._counter(
            "frames_skipped_at_start", "Frames passed over since start_at is latest and nothing was committed."
        )
        self.broker_silence = self._gauge("broker_silence_seconds", "Time since Kafka was last heard.")
        self.leaderless = self._gauge("partitions_without_leader", "Partitions that nobody can read at the moment.")
        # Two workers have one instance_id: the later one keeps it, and the other can no longer restart without a pause.
        self.names_taken = self._counter("instance_ids_taken", "Times another worker took this one's instance_id.")
        # Together they are the topic's partitions; fewer for long: nobody reads some of them.
        self.partitions_read = self._gauge("partitions_read", "Partitions of frames that this worker reads now.")
        self.topic_partitions = self._gauge("topic_partitions", "Partitions that the topic of frames has.")
        # Results, defects or rejects (evidence and review where switched on) have no topic, or it has no leader.
        self.unwritable_topics = self._gauge("unwritable_topics", "Topics that cannot be written at the moment.")

    def _make_model(self) -> None:
        """Of the bundle that runs, and what it runs on."""
        self.bundle_info = self._gauge(
            "bundle_info", "Always 1: the bundle that runs.", "name", "version", "sha256", "precision", "provider"
        )
        # Two processes with one device_id share a GPU; a GPU that no process shows is left unused.
        self.device_info = self._gauge(
            "device_info", "Always 1: what the model runs on; no device_id on a CPU.", "provider", "device_id"
        )
        # refused rises: a bundle was put in place that is unfit; the log says why, and the one before runs on.
        self.bundle_swaps = self._counter("bundle_swaps", "Bundles put in place, by what came of it.", "outcome")
        # 1 for longer than a load takes: what runs is not what somebody put in place.
        self.bundle_outdated = self._gauge("bundle_outdated", "1 while the bundle that should run does not.")

    def _make_drift(self) -> None:
        """Of what cameras show. A camera is there once it was seen, for as long as its partition is this worker's."""
        # 1: look at the camera. silent: no frame. frozen: the same frame again and again. misnamed: the settings name
        # this camera in another case, so its scale and side are not used. untrained_size: its frames are unlike those
        # that the model was trained on.
        self.camera_condition = self._gauge("camera_condition", "1 while it holds.", "camera", "condition")
        # A lamp that ages: brightness. A lens that gets dirty or loose: sharpness.
        self.frame_statistic = self._gauge("frame_statistic", "Mean over the newest frames.", "camera", "statistic")
        # Beyond 1 either way: these are hardly the frames that the model has learnt from.
        self.frame_drift = self._gauge(
            "frame_drift",
            "Its distance from the bundle's reference, in its standard deviations.",
            "camera",
            "statistic",
        )
        self.score_statistic = self._gauge(
            "score_statistic",
            "Mean confidence and share of unsure frames of the newest results.",
            "camera",
            "statistic",
        )
        # confidence falls, unsure rises: the model sees what it does not know. classes: another mix of answers than on
        # the validation frames, which may be the strip's own.
        self.score_drift = self._gauge(
            "score_drift", "Less what the reference has for the same classes.", "camera", "statistic"
        )

    def _make_observers(self) -> None:
        """Where evidence and review are switched on."""
        # sent: acknowledged. over_quota: as set. dropped: no room, or its topic takes nothing. failed: the event says
        # that there is a picture, and there is none.
        self.evidence_frames = self._counter("evidence_frames", "Frames with a defect, by their picture.", "outcome")
        # over_quota high: the model is often unsure of the same; label some, and train.
        self.review_frames = self._counter("review_frames", "Frames with verdict unsure, by their copy.", "outcome")

    def _make_shadow(self) -> None:
        """Of the second model, where one is set."""
        self.shadow_info = self._gauge("shadow_info", "Always 1: the shadow that runs.", "name", "version", "sha256")
        # agrees: same verdict and same label. dropped: it is too slow for its share, or not loaded.
        self.shadow_frames = self._counter("shadow_frames", "Frames of its share, by what came of it.", "outcome")
        # Where the two differ: what the first calls a defect and the shadow clean would be missed.
        self.shadow_verdicts = self._counter(
            "shadow_verdicts", "Frames by the verdicts of both.", "verdict", "shadow_verdict"
        )
        self.shadow_score_difference = self._histogram(
            "shadow_score_difference", "Largest difference of a score between the two.", _SCORES
        )
        self.shadow_seconds = self._histogram("shadow_seconds", "Decoding and inference of a frame, alone.", _STAGE_S)
        self.shadow_unpublished = self._counter("shadow_unpublished", "Results that the shadow's topic did not take.")
        self.shadow_swaps = self._counter("shadow_swaps", "As bundle_swaps, of the shadow.", "outcome")
        self.shadow_outdated = self._gauge("shadow_outdated", "As bundle_outdated, of the shadow; 0 where none is set.")

    def _begin_at_zero(self) -> None:
        """Prometheus sees no increase in a series that begins at 1: the first defect or reject would not count."""
        for verdict in (*get_args(Verdict), "skipped"):
            self.results.labels(verdict)
        for reject_reason in RejectReason:
            self.rejects.labels(reject_reason)
        for fault in ("too_large", "damaged"):
            self.batch_faults.labels(fault)
        for cause in ("deleted", "recreated", "truncated"):
            self.offset_resets.labels(cause)
        for outcome in ("sent", "over_quota", "dropped", "failed"):
            self.evidence_frames.labels(outcome)
            self.review_frames.labels(outcome)

    def count_frame(self, camera: str, *, is_replay: bool) -> None:
        """A frame was taken from Kafka. A replay must not make a silent camera seem to send."""
        label = REPLAYED if is_replay else self.camera_label(camera)
        self.frames.labels(label).inc()
        if not is_replay and label not in self._flag_series:  # Prometheus sees no increase in a series that begins at 1
            self._flag_series.add(label)
            for flag in FrameFlag:
                self.flagged_frames.labels(label, flag)

    def camera_label(self, camera: str) -> str:
        return self._cameras.label(camera)

    def show_bundle(self, bundle: Bundle, provider: str) -> None:
        manifest = bundle.manifest
        self.bundle_info.clear()
        self.bundle_info.labels(manifest.name, manifest.version, bundle.sha256, manifest.precision, provider).set(1)

    def show_device(self, provider: str, device_id: int | None) -> None:
        self.device_info.clear()
        self.device_info.labels(provider, "" if device_id is None else str(device_id)).set(1)

    def show_shadow(self, bundle: Bundle) -> None:
        self.shadow_info.clear()
        self.shadow_info.labels(bundle.manifest.name, bundle.manifest.version, bundle.sha256).set(1)

    def forget_partition(self, number: int) -> None:
        """It is another worker's now, and so is its lag."""
        with suppress(KeyError):  # it may never have had a lag
            self.lag_frames.remove(str(number))

    def watch(self, gauge: Gauge, read: Callable[[], float], **labels: str) -> None:
        """Let a gauge read a value whenever it is scraped."""
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stripwatch_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"stripwatch_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"stripwatch_{name}", text, labels, registry=self.registry, buckets=buckets)


class BoundedLabels:
    """The first few names as they are, the rest as `other`, so that a sender cannot grow the worker."""

    def __init__(self, names_max: int) -> None:
        self._names_max = names_max
        self._names: set[str] = set()

    def label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._names_max:
                return OTHER
            self._names.add(name)
        return name
