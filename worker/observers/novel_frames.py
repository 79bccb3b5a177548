"""Novel frames of each camera: whether there are more of them than the false alarms to expect."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.events import Reject, Result, UnsureReason
from stripwatch.worker.contracts.line.camera_state import NoveltyCounts
from stripwatch.worker.contracts.model.model_record import NoveltySpec
from stripwatch.worker.monitoring.metric_groups.metric_group import OTHER
from stripwatch.worker.observers.frame_window import FrameWindow
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction

# Neighbouring frames look alike, so false alarms come in runs: fewer frames than this may be a single event.
_FRAMES_MIN = 10
# Ten cameras have 525,600 windows of ten minutes a year, so chance exceeds this once in two thousand years.
_CHANCE_MAX = 1e-9


@dataclass(slots=True)
class _Camera:
    """Recent frames of a camera, all of one model.

    expected_share: share of known frames that the model calls novel. is_novel: the camera was novel when last judged.
    """

    model_sha256: str
    expected_share: float
    window: FrameWindow = field(repr=False)
    is_novel: bool = False


class NovelFrames(FrameObserver):
    """Counts the novel frames of each camera in a sliding window of drift.novel_window_s seconds. Thread-safe.

    label: returns the name under which a camera is counted; cameras beyond a limit share the name `other`, which is not
    counted.
    """

    def __init__(
        self, settings: DriftSettings, label: Callable[[str], str], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._label = label
        self._now_s = now_s
        self._cameras: dict[str, _Camera] = {}
        self._lock = threading.Lock()

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        """Count a frame whose novelty score was compared with a threshold. A flagged frame is not judged by it.

        A frame of a model without a threshold ends the counting of its camera, so that the frames of the previous model
        do not hold the condition.
        """
        if not isinstance(outcome, Prediction) or isinstance(event, Reject) or outcome.frame.replay_of is not None:
            return
        spec, name = outcome.model.session.bundle.manifest.novelty, self._label(outcome.frame.camera)
        if spec is None or event.model.novelty_threshold is None:
            self.forget(name)
        elif name != OTHER and event.novelty is not None and not event.flags:
            self._window(name, event.model.sha256, spec).count(
                UnsureReason.NOVEL.value if event.reason is UnsureReason.NOVEL else None
            )

    def counts(self, camera: str) -> NoveltyCounts | None:
        """Return the recent frames of a camera; None if its model has no novelty score, or that has no effect."""
        with self._lock:
            known = self._cameras.get(camera)
        if known is None:
            return None
        counts = known.window.counts()
        return NoveltyCounts(
            self._settings.novel_window_s,
            counts.frames,
            counts.reasons.get(UnsureReason.NOVEL.value, 0),
            known.expected_share,
        )

    def is_novel(self, camera: str) -> bool:
        """Return whether a camera shows something that the model was not trained on.

        The share of novel frames must be drift.novel_factor times the expected one, of ten novel frames or more, and
        must not be due to chance. A multiple of a high expected share may exceed 1, so half of the frames beyond the
        expected ones are always enough. A novel camera remains so until half of that share, or of ten frames, is left:
        otherwise its condition would begin and end with single frames.
        """
        counts = self.counts(camera)
        with self._lock:
            known = self._cameras.get(camera)
            if known is None or counts is None:
                return False
            expected = counts.expected_share
            share_min = min(self._settings.novel_factor * expected, (1 + expected) / 2)
            at_least = max(_FRAMES_MIN, share_min * counts.frames)
            chance = chance_max(counts.novel, counts.frames, expected)
            begins = counts.novel >= at_least and chance <= _CHANCE_MAX
            known.is_novel = begins or (known.is_novel and counts.novel >= at_least / 2)
            return known.is_novel

    def forget(self, camera: str) -> None:
        """Forget a camera that moved to another worker, or whose model has no novelty threshold."""
        with self._lock:
            self._cameras.pop(camera, None)

    def _window(self, name: str, model_sha256: str, spec: NoveltySpec) -> FrameWindow:
        with self._lock:
            camera = self._cameras.get(name)
            if camera is None or camera.model_sha256 != model_sha256:
                window = FrameWindow(self._settings.novel_window_s, self._now_s)
                camera = self._cameras[name] = _Camera(model_sha256, spec.expected_share, window)
            return camera.window


def chance_max(found: int, frames: int, share: float) -> float:
    """Return an upper limit of the probability that at least `found` of `frames` independent frames are false alarms.

    share: probability of a false alarm, 0 to 1. The number of false alarms has a binomial distribution, whose upper
    tail is at most exp(-n KL(q || p)) with q = found / frames > p (Chernoff 1952; Hoeffding 1963, theorem 1,
    https://doi.org/10.1080/01621459.1963.10500830). 1 if no more than the expected number was found.
    """
    if frames == 0 or found <= share * frames:
        return 1.0
    if share <= 0:
        return 0.0
    observed = found / frames
    divergence = observed * math.log(observed / share)
    if observed < 1:
        divergence += (1 - observed) * math.log((1 - observed) / (1 - share))
    return math.exp(-frames * divergence)
