"""Loading of a bundle as a model, with the settings that apply to it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import structlog

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.cache_dir import cache_folder
from stripwatch.worker.config.sections import FramesSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import ModelInfo
from stripwatch.worker.images.colour import measure_colour
from stripwatch.worker.images.decode import decode, no_reserve
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from stripwatch.worker.model.batch_policy import BatchPolicy
from stripwatch.worker.model.bundle import Bundle, Manifest
from stripwatch.worker.model.heatmaps import heatmap_decoder
from stripwatch.worker.model.loaded_model import ColourMeter, FrameDecoder, LoadedModel
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.providers import ExecutionOptions, Provider
from stripwatch.worker.model.reference import ratios_without_effect
from stripwatch.worker.model.trained_range import SizeCheck
from stripwatch.worker.model.verdict import decision_policy

log = structlog.get_logger()


def open_model(
    bundle: Bundle, settings: Settings, raise_if_cancelled: Callable[[], None] = lambda: None
) -> LoadedModel:
    """Load a bundle, run its self-test, warm it up, and log the result.

    raise_if_cancelled: called repeatedly; raises an exception to cancel. Raises BundleError or SettingsError.
    """
    started_s = time.monotonic()
    model = _open(bundle, settings, raise_if_cancelled)
    session = model.session
    log.info(
        "bundle verified",
        bundle=str(bundle.path),
        sha256=bundle.sha256,
        provider=session.provider,
        device_id=session.device_id,
        golden_difference=session.golden_difference,
        frames_per_second={batch.frames: batch.frames_per_second for batch in session.batches},
        seconds=round(time.monotonic() - started_s, 2),
    )
    if lacks := bundle.manifest.lacks:
        log.info("bundle lacks optional parts", bundle=str(bundle.path), lacks=lacks)
    if why := bundle.manifest.no_clean_verdict:
        log.warning("the model never gives the verdict clean", why=why, bundle=str(bundle.path))
    if settings.novelty.threshold is not None and bundle.manifest.novelty is None:
        log.warning(
            "setting has no effect: the bundle has no novelty score",
            setting="novelty.threshold",
            bundle=str(bundle.path),
        )
    for key in ratios_without_effect(settings.drift, model.reference):
        log.warning("setting has no effect: the bundle lacks the statistic", setting=key, bundle=str(bundle.path))
    return model


def load_bundle(path: Path, provider: Provider = "auto") -> LoadedModel:
    """Load, verify and warm up a bundle file or REGISTRY/NAME, with default settings and without the environment.

    Raises BundleError or SettingsError.
    """
    settings = Settings.model_construct(bundle=path, provider=provider)  # validation would read the environment
    return _open(load_resolved(resolve_bundle(path)), settings, lambda: None)


def _open(bundle: Bundle, settings: Settings, raise_if_cancelled: Callable[[], None]) -> LoadedModel:
    manifest = bundle.manifest
    policy = decision_policy(manifest, settings.thresholds, settings.novelty)
    folder = cache_folder(settings)
    engines = folder / "tensorrt" if folder else None
    execution = ExecutionOptions(settings.cuda_run, settings.batches_in_flight, engines, settings.device_id or 0)
    session = open_session(
        bundle, settings.provider, settings.inference_threads, settings.batch_frames_max, raise_if_cancelled, execution
    )
    source: Literal["bundle", "settings"] = "settings" if policy.overridden else "bundle"
    return LoadedModel(
        info=ModelInfo(
            manifest.name,
            manifest.version,
            bundle.sha256,
            source,
            session.provider,
            manifest.clean_label,
            manifest.trained_for,
            policy.novelty_threshold,
        ),
        session=session,
        decode=_frame_decoder(manifest.decode, decode_limits(settings.frames)),
        batch_policy=BatchPolicy(
            session.batches,
            session.best_batch_frames,
            session.padded,
            linger_s=_seconds(settings.linger_ms_max),
            target_s=_seconds(settings.latency_ms_target),
        ),
        policy=policy,
        heatmap_decoder=heatmap_decoder(manifest),
        reference=manifest.reference,
        measure_colour=_colour_meter(manifest, decode_limits(settings.frames)),
        size_check=size_check(manifest, settings),
        camera_limits=manifest.camera_limits,
    )


def _frame_decoder(spec: DecodeSpec, limits: DecodeLimits) -> FrameDecoder:
    return lambda encoded, layout=None, reserve=no_reserve, /: decode(encoded, spec, limits, layout, reserve)


def _colour_meter(manifest: Manifest, limits: DecodeLimits) -> ColourMeter | None:
    spec, reference = manifest.decode, manifest.reference
    if spec.colour != "grey" or reference is None or not reference.is_grey:
        return None
    return lambda frame, reserve=no_reserve, /: measure_colour(
        frame.encoded, frame.layout, spec.bit_depth, spec.levels, limits, reserve
    )


def decode_limits(frames: FramesSettings) -> DecodeLimits:
    """Return the limits of the decoder from the settings."""
    return DecodeLimits(
        frames.bytes_max,
        frames.pixels_max,
        frames.side_px_min,
        flags_damaged=frames.damaged == "flag",
        progressive=frames.progressive,
    )


def size_check(manifest: Manifest, settings: Settings) -> SizeCheck:
    """Create the check of frame sizes from the manifest and the settings."""
    cameras = settings.cameras.items()
    scales = {name: camera.mm_per_px for name, camera in cameras if camera.mm_per_px is not None}
    return SizeCheck(manifest.trained, settings.frames.untrained_size, scales)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def load_model(settings: Settings) -> LoadedModel:
    """Load, verify and warm up the bundle of the settings. Raises BundleError or SettingsError."""
    return open_model(load_resolved(resolve_bundle(require_bundle(settings))), settings)


def require_bundle(settings: Settings) -> Path:
    """Return the setting `bundle`. Raises SettingsError if it is not set."""
    if settings.bundle is None:
        raise SettingsError("setting 'bundle' is missing; name the bundle, as in --bundle model.onnx")
    return settings.bundle
