"""`stripwatch check`: everything that `run` does before its first frame."""

from dataclasses import asdict
from typing import Any

import msgspec

from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.loaded_model import load_model
from stripwatch.worker.model.trained_range import SizeCheck
from stripwatch.worker.monitoring.server_certificate import server_certificate
from stripwatch.worker.service.autotune import apply_layout, choose_layout


def check(settings: Settings) -> dict[str, Any]:
    """Load, verify and warm up a bundle. Return its metadata and its speed on this machine. Raises as `run` does."""
    server_certificate(settings.metrics)
    plan = choose_layout(settings)
    model = load_model(apply_layout(settings, plan.layout))
    session = model.session
    manifest = session.bundle.manifest
    return {
        "bundle": str(session.bundle.path),
        "name": manifest.name,
        "version": manifest.version,
        "sha256": session.bundle.sha256,
        "provider": session.provider,
        "precision": manifest.precision,
        "golden_frames": len(manifest.golden),
        "golden_difference": session.golden_difference,
        "batch_frames_best": session.best_batch_frames,
        "frames_per_second": {str(batch.frames): batch.frames_per_second for batch in session.batches},
        "trained": msgspec.to_builtins(manifest.trained),
        "untrained_cameras": _untrained_cameras(model.size_check),
        "layout": asdict(plan.layout) | {"reason": plan.reason},
    }


def _untrained_cameras(check: SizeCheck) -> list[str]:
    """Return the configured cameras whose scale differs from the training frames.

    Prints how their frames are treated.
    """
    trained = check.trained
    if trained is None:
        say("note: the bundle does not state the sizes of its training frames, so no frame is flagged for its size")
        return []
    treatment = {
        "flag": "flagged and have the verdict unsure",
        "reject": "rejected",
        "accept": "inspected like any other",
    }[check.untrained]
    say(
        f"trained on frames of {trained}; frames of other sizes or scales are {treatment} (setting "
        "frames.untrained_size)"
    )
    unlike = [camera for camera, scale in check.scales_mm_per_px.items() if not trained.admits_scale(scale)]
    for camera in unlike:
        say(f"warning: camera {camera!r} has {check.scales_mm_per_px[camera]:g} mm per px: its frames are {treatment}")
    return unlike
