"""`stripwatch check`: everything that `run` does before its first frame, with all problems, not only the first."""

import errno
import http.client
import os
import ssl
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec
from rich.table import Table

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.terminal.outcome import Outcome
from stripwatch.worker.config.cache_dir import cache_folder
from stripwatch.worker.config.observer_sections import DriftSettings, NoveltySettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.loading.open_model import open_model
from stripwatch.worker.model.reference import ratios_without_effect
from stripwatch.worker.model.trained_range import SizeCheck
from stripwatch.worker.observers.conditions.image_limits import image_limits
from stripwatch.worker.observers.shadow_loader import shadow_settings
from stripwatch.worker.service.startup import (
    BUNDLE,
    METRICS_PORT,
    PRECONDITIONS,
    Start,
    Step,
    load_first_model,
    plan_start,
)

Status = Literal["ok", "warning", "failed", "skipped"]
_PROBE_S_MAX = 2.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a server on every address is asked
_TREATMENT = {
    "flag": "flagged and have the verdict unsure",
    "reject": "rejected",
    "accept": "inspected like any other",
}
# Keys of the JSON object that describe the bundle; null if it could not be loaded.
_MODEL_KEYS = (
    *("bundle", "name", "version", "sha256", "provider", "precision", "golden_frames", "golden_difference"),
    *("batch_frames_best", "frames_per_second", "trained", "untrained_cameras", "novelty_threshold", "layout"),
    "camera_limits",
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one check. detail: what was found, or what is wrong and what to do. error: what `run` would raise."""

    check: str
    status: Status
    detail: str
    error: StripwatchError | None = None


@dataclass(slots=True)
class Report:
    """Results of the checks so far. model: facts of the bundle for the JSON object; empty if it cannot be loaded."""

    results: list[CheckResult] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)

    def add(self, check: str, status: Status, detail: str) -> None:
        self.results.append(CheckResult(check, status, detail))

    def fail(self, check: str, error: StripwatchError) -> None:
        self.results.append(CheckResult(check, "failed", str(error), error))

    @property
    def errors(self) -> list[StripwatchError]:
        """The errors in the order in which `run` would meet them."""
        return [result.error for result in self.results if result.error is not None]

    def outcome(self) -> Outcome:
        """Return the table for people and the JSON object for programs."""
        table = Table("check", "result", "detail")
        for result in self.results:
            table.add_row(result.check, result.status, result.detail)
        checks = [{"check": each.check, "status": each.status, "detail": each.detail} for each in self.results]
        facts = dict.fromkeys(_MODEL_KEYS) | self.model
        return Outcome({"ok": not self.errors, "checks": checks, **facts}, facts={}, tables=[table])

    def raise_first(self) -> None:
        """Raise the error with which `run` would end; none if it would start."""
        if self.errors:
            raise self.errors[0]


def check(settings: Settings) -> Report:
    """Take the steps of `run` up to the connection to Kafka, and continue after those that fail."""
    report = Report()
    report.add("settings", "ok", "all valid")
    valid = {step.name: _verify(report, step, settings) for step in PRECONDITIONS}
    _check_cache_folder(report, settings)
    if not valid[BUNDLE]:
        report.add("processes", "skipped", "requires the bundle")
        report.add("model", "skipped", "requires the bundle")
    elif start := _plan(report, settings):
        _check_model(report, start)
    if settings.shadow.bundle is not None:
        _check_shadow(report, settings)
    return report


def _verify(report: Report, step: Step, settings: Settings) -> bool:
    """Take a step. A metrics port that a running worker uses is a warning: it is usually the one to be replaced."""
    try:
        report.add(step.name, "ok", step.verify(settings))
    except StripwatchError as error:
        in_use = step.name == METRICS_PORT and getattr(error.__cause__, "errno", None) == errno.EADDRINUSE
        if in_use and _answers_like_a_worker(settings):
            detail = f"a running Stripwatch worker uses port {settings.metrics.port}: stop it before this one starts"
            report.add(step.name, "warning", detail)
            return True
        report.fail(step.name, error)
        return False
    return True


def _plan(report: Report, settings: Settings) -> Start | None:
    try:
        start = plan_start(settings)
    except StripwatchError as error:
        report.fail("processes", error)
        report.add("model", "skipped", "requires the processes")
        return None
    layout = start.layout.layout
    report.model["layout"] = asdict(layout) | {"reason": start.layout.reason}
    report.add("processes", "ok", f"{layout.processes} ({start.layout.reason})")
    return start


def _check_model(report: Report, start: Start) -> None:
    try:
        model = load_first_model(start)
    except StripwatchError as error:
        report.fail("model", error)
        return
    report.model |= _facts(model)
    session, manifest = model.session, model.session.bundle.manifest
    best = next(each.frames_per_second for each in session.batches if each.frames == session.best_batch_frames)
    report.add(
        "model",
        "ok",
        f"{manifest.name} {manifest.version} on {session.provider}: {len(manifest.golden)} golden frames passed, "
        f"{best:,.0f} frames/s in batches of {session.best_batch_frames}",
    )
    _check_clean(report, manifest)
    _check_sizes(report, model.size_check)
    _check_novelty(report, model, start.settings.novelty)
    _check_camera_limits(report, model, start.settings.drift)


def _facts(model: LoadedModel) -> dict[str, Any]:
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
        "novelty_threshold": model.policy.novelty_threshold,
    }


def _untrained_cameras(sizes: SizeCheck) -> list[str]:
    """Return the configured cameras whose scale differs from the training frames."""
    trained = sizes.trained
    if trained is None:
        return []
    return [camera for camera, scale in sizes.scales_mm_per_px.items() if not trained.admits_scale(scale)]


def _check_clean(report: Report, manifest: Manifest) -> None:
    """Warn of a model that never gives the verdict clean."""
    if warning := manifest.no_clean_verdict:
        report.add("clean strip", "warning", warning)
    elif manifest.clean_label is None:
        report.add("clean strip", "ok", "a frame is clean if no label reaches its threshold")
    else:
        report.add("clean strip", "ok", f"a clean frame has the label {manifest.clean_label!r}")


def _check_sizes(report: Report, sizes: SizeCheck) -> None:
    if sizes.trained is None:
        detail = "the bundle does not state the sizes of its training frames, so no frame is flagged for its size"
        report.add("frame sizes", "ok", detail)
        return
    treatment = _TREATMENT[sizes.untrained]
    report.add(
        "frame sizes",
        "ok",
        f"trained on frames of {sizes.trained}; frames of other sizes or scales are {treatment} (setting "
        "frames.untrained_size)",
    )
    for camera in _untrained_cameras(sizes):
        scale = sizes.scales_mm_per_px[camera]
        detail = f"{scale:g} mm per px is not a trained scale: its frames are {treatment}"
        report.add(f"camera {camera}", "warning", detail)


def _check_novelty(report: Report, model: LoadedModel, settings: NoveltySettings) -> None:
    """State which frames are novel. A threshold that has no effect is a warning."""
    manifest = model.session.bundle.manifest
    spec = manifest.novelty
    if spec is None:
        detail = "the bundle has no novelty score, so frames unlike the training frames are not detected"
        if manifest.trained_for == "anomaly":
            detail = "an anomaly model reports frames unlike the training frames as defects; it has no novelty score"
        if settings.threshold is None:
            report.add("novelty", "ok", detail)
        else:
            report.add("novelty", "warning", f"{detail}; novelty.threshold has no effect")
        return
    threshold = model.policy.novelty_threshold
    if threshold is None:
        report.add("novelty", "ok", "scores are published, but no frame is novel (setting novelty.verdict = ignore)")
        return
    chosen = f"chosen for {spec.false_alarm_rate:.2%} false alarms"
    if settings.threshold is not None:
        chosen = f"from the setting novelty.threshold; the bundle has {spec.threshold:.6g}, {chosen}"
    report.add("novelty", "ok", f"frames with a score above {threshold:.6g} are unsure ({chosen})")


def _check_camera_limits(report: Report, model: LoadedModel, settings: DriftSettings) -> None:
    """State the limits of the image statistics, and where they come from."""
    limits = image_limits(settings, model.reference, model.camera_limits)
    report.model["camera_limits"] = {name: asdict(limit) for name, limit in limits.items()}
    for name, limit in limits.items():
        detail = f"{limit.statistic} {limit.side} {limit.value:.3g}: {limit.reason}"
        report.add(f"limit for {name.replace('_', ' ')}", "ok", detail)
    for key in ratios_without_effect(settings, model.reference):
        detail = "has no effect: the bundle lacks this statistic of its training frames; export the run again"
        report.add(key, "warning", detail)


def _check_cache_folder(report: Report, settings: Settings) -> None:
    """Warn if the cache cannot be written: `run` then repeats its trials at every start."""
    folder = cache_folder(settings)
    if folder is None or not (settings.processes == "auto" or settings.provider == "tensorrt"):
        return
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        report.add("cache folder", "ok", str(folder))
        return
    why = "this user may not write there" if existing.is_dir() else f"{existing} is not a folder"
    detail = f"cannot write to {folder}: {why}. Every start repeats the trials; correct cache_folder"
    report.add("cache folder", "warning", detail)


def _check_shadow(report: Report, settings: Settings) -> None:
    """Load the shadow bundle. `run` continues without a shadow that cannot be loaded."""
    own = shadow_settings(settings)
    assert own.bundle is not None
    try:
        model = open_model(load_resolved(resolve_bundle(own.bundle)), own)
    except StripwatchError as error:
        report.add("shadow bundle", "warning", f"{error}. run starts without a shadow; correct shadow.bundle")
        return
    manifest = model.session.bundle.manifest
    report.add("shadow bundle", "ok", f"{manifest.name} {manifest.version}")


def _answers_like_a_worker(settings: Settings) -> bool:
    """Return whether a Stripwatch worker serves the metrics port."""
    host = _LOOPBACK.get(settings.metrics.host, settings.metrics.host)
    port = settings.metrics.port
    if settings.metrics.certificate_file is None:
        client = http.client.HTTPConnection(host, port, timeout=_PROBE_S_MAX)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent or believed
        client = http.client.HTTPSConnection(host, port, timeout=_PROBE_S_MAX, context=context)
    with closing(client), suppress(OSError, http.client.HTTPException, ValueError):
        client.request("GET", "/healthz")
        found = msgspec.json.decode(client.getresponse().read(1000))
        return isinstance(found, dict) and "alive" in found
    return False


def invalid_settings(error: StripwatchError) -> Report:
    """Return the report of settings that cannot be read, so that nothing else can be checked."""
    report = Report()
    report.fail("settings", error)
    return report
