"""The settings of the shadow."""

from pathlib import Path

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.observers.shadow_loader import shadow_settings


def test_runs_single_frames_with_the_thresholds_of_its_own_bundle() -> None:
    settings = load_settings(None, {"bundle": "a", "shadow": {"bundle": "b"}, "thresholds": {"pits": {"sure": 0.9}}})
    own = shadow_settings(settings)
    assert (own.bundle, own.inference_threads, own.batch_frames_max, own.thresholds) == (Path("b"), 1, 1, {})
    assert (settings.bundle, own.topics) == (Path("a"), settings.topics)


def test_uses_the_novelty_threshold_of_its_own_bundle_and_the_same_verdict() -> None:
    novelty = {"verdict": "ignore", "threshold": 0.4}
    own = shadow_settings(load_settings(None, {"bundle": "a", "shadow": {"bundle": "b"}, "novelty": novelty}))
    assert (own.novelty.verdict, own.novelty.threshold) == ("ignore", None)
