"""Metrics of the observers of a worker: evidence, review, states of cameras, drift and the shadow."""

from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.monitoring.metric_groups.frame_metrics import STAGE_S
from stripwatch.worker.monitoring.metric_groups.metric_group import MetricGroup

_SCORES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class ObserverMetrics(MetricGroup):
    """The part of a worker's metrics that describes observers. `Metrics` creates it."""

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
            "shadow_seconds", "Seconds that the shadow takes to decode and run one frame.", STAGE_S
        )
        self.shadow_unpublished = self._counter("shadow_unpublished", "Shadow results that were not published.")
        self.shadow_swaps = self._counter(
            "shadow_swaps", "Attempts to reload the shadow, by outcome: swapped or refused.", "outcome"
        )
        self.shadow_outdated = self._gauge(
            "shadow_outdated", "1 while the running shadow is not the deployed one, else 0; 0 without a shadow."
        )

    def show_shadow(self, bundle: Bundle) -> None:
        self.shadow_info.clear()
        self.shadow_info.labels(bundle.manifest.name, bundle.manifest.version, bundle.sha256).set(1)
