"""A bundle in service, with all that moves with it when another takes its place."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import structlog

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.cache_dir import cache_folder
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import ModelInfo
from stripwatch.worker.images.decode import DecodeLimits, Image, decode
from stripwatch.worker.model.batch_policy import BatchPolicy
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.heatmaps import HeatmapDecoder, heatmap_decoder
from stripwatch.worker.model.providers import ExecutionOptions
from stripwatch.worker.model.reference import Reference
from stripwatch.worker.model.session import Session, open_session
from stripwatch.worker.model.verdict import DecisionPolicy, decision_policy

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """What a frame is given when it comes in, and keeps: no frame is ever decoded for one model and judged by another.

    decode: encoded bytes to what the session takes; raises FrameRejected. maps: None where there are no heatmaps.
    Two models are the same only if they are one object. The last frame that holds one lets it go, memory and all.
    """

    info: ModelInfo
    session: Session
    decode: Callable[[bytes], Image]
    batch_policy: BatchPolicy
    policy: DecisionPolicy
    heatmap_decoder: HeatmapDecoder | None
    reference: Reference | None = None


def open_model(
    bundle: Bundle, settings: Settings, raise_if_cancelled: Callable[[], None] = lambda: None
) -> LoadedModel:
    """Load, verify by the golden frames and warm up. go_on: called now and then; raises to break off.

    Raises BundleError or SettingsError.
    """
    manifest = bundle.manifest
    judge = decision_policy(manifest, settings.thresholds)
    started_s = time.monotonic()
    folder = cache_folder(settings)
    execution = ExecutionOptions(settings.cuda_run, settings.batches_in_flight, folder / "tensorrt" if folder else None)
    session = open_session(
        bundle, settings.provider, settings.inference_threads, settings.batch_frames_max, raise_if_cancelled, execution
    )
    log.info(
        "bundle verified",
        bundle=str(bundle.path),
        sha256=bundle.sha256,
        provider=session.provider,
        golden_difference=session.golden_difference,
        frames_per_second={batch.frames: batch.frames_per_second for batch in session.batches},
        seconds=round(time.monotonic() - started_s, 2),
    )
    limits = DecodeLimits(settings.frame_bytes_max, settings.frame_pixels_max, settings.frame_side_px_min)
    source: Literal["bundle", "settings"] = "settings" if judge.overridden else "bundle"
    return LoadedModel(
        info=ModelInfo(manifest.name, manifest.version, bundle.sha256, source, session.provider),
        session=session,
        decode=partial(decode, spec=manifest.decode, limits=limits),
        batch_policy=BatchPolicy(
            session.batches,
            session.best_batch_frames,
            session.padded,
            linger_s=_seconds(settings.linger_ms_max),
            target_s=_seconds(settings.latency_ms_target),
        ),
        policy=judge,
        heatmap_decoder=heatmap_decoder(manifest),
        reference=manifest.reference,
    )


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def load_model(settings: Settings) -> LoadedModel:
    """The bundle of the settings, verified and warm."""
    return open_model(load_resolved(resolve_bundle(require_bundle(settings))), settings)


def require_bundle(settings: Settings) -> Path:
    if settings.bundle is None:
        raise SettingsError("setting 'bundle' is missing: name the model file, as in --bundle model.onnx")
    return settings.bundle
