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
from stripwatch.worker.model.batch_policy import Pace
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_store import read_choice, resolve
from stripwatch.worker.model.heatmaps import MapReader, map_reader
from stripwatch.worker.model.providers import Way
from stripwatch.worker.model.reference import Reference
from stripwatch.worker.model.session import Session, open_session
from stripwatch.worker.model.verdict import Judge, judge_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a frame is given when it comes in, and keeps: no frame is ever decoded for one model and judged by another.

    decode: encoded bytes to what the session takes; raises FrameRejected. maps: None where there are no heatmaps.
    Two models are the same only if they are one object. The last frame that holds one lets it go, memory and all.
    """

    info: ModelInfo
    session: Session
    decode: Callable[[bytes], Image]
    pace: Pace
    judge: Judge
    maps: MapReader | None
    reference: Reference | None = None


def open_model(bundle: Bundle, settings: Settings, go_on: Callable[[], None] = lambda: None) -> Model:
    """Load, verify by the golden frames and warm up. go_on: called now and then; raises to break off.

    Raises BundleError or SettingsError.
    """
    contract = bundle.contract
    judge = judge_of(contract, settings.thresholds)
    started_s = time.monotonic()
    folder = cache_folder(settings)
    way = Way(settings.cuda_run, settings.batches_in_flight, folder / "tensorrt" if folder else None)
    session = open_session(bundle, settings.provider, settings.inference_threads, settings.batch_frames_max, go_on, way)
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
    return Model(
        info=ModelInfo(contract.name, contract.version, bundle.sha256, source, session.provider),
        session=session,
        decode=partial(decode, spec=contract.decode, limits=limits),
        pace=Pace(
            session.batches,
            session.best_batch_frames,
            session.padded,
            linger_s=_seconds(settings.linger_ms_max),
            target_s=_seconds(settings.latency_ms_target),
        ),
        judge=judge,
        maps=map_reader(contract),
        reference=contract.reference,
    )


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def load_model(settings: Settings) -> Model:
    """The bundle of the settings, verified and warm."""
    return open_model(read_choice(resolve(require_bundle(settings))), settings)


def require_bundle(settings: Settings) -> Path:
    if settings.bundle is None:
        raise SettingsError("setting 'bundle' is missing: name the model file, as in --bundle model.onnx")
    return settings.bundle
