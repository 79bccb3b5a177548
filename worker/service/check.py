"""`stripwatch check`: everything that `run` does before its first frame."""

from dataclasses import asdict
from typing import Any

from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.loaded_model import load_model
from stripwatch.worker.service.autotune import apply_layout, choose_layout


def check(settings: Settings) -> dict[str, Any]:
    """Load, verify and warm up; what the bundle is and how fast it runs here. Raises as `run` does."""
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
        "layout": asdict(plan.layout) | {"reason": plan.reason},
    }
