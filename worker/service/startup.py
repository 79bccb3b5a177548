"""What `run` does before it connects to Kafka. `check` takes the same steps, in the same order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from stripwatch.worker.broker.tls import encryption_options, login_options
from stripwatch.worker.common.listener import open_listener
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import resolve_bundle
from stripwatch.worker.model.loading.open_model import load_model, require_bundle
from stripwatch.worker.monitoring.server_certificate import server_certificate
from stripwatch.worker.observers.frame_observers import needed_topics
from stripwatch.worker.service.autotune import LayoutChoice, apply_layout, choose_layout
from stripwatch.worker.service.gpu_assignment import assign_gpus

BUNDLE, METRICS_PORT = "bundle file", "metrics port"
_NEEDED_TOPICS = ("frames", "results", "defects", "rejects")


@dataclass(frozen=True, slots=True)
class Step:
    """A step that needs no other one. verify: returns what was found, for people; raises StripwatchError."""

    name: str
    verify: Callable[[Settings], str]


@dataclass(frozen=True, slots=True)
class Start:
    """How a worker starts. settings: those of a worker that is the only process of the layout."""

    layout: LayoutChoice
    device_ids: list[int | None]
    settings: Settings


def require_preconditions(settings: Settings) -> None:
    """Verify everything that takes no time, before trials of layouts and the model, which may take minutes.

    Raises the error of the first step that fails.
    """
    for step in PRECONDITIONS:
        step.verify(settings)


def plan_start(settings: Settings) -> Start:
    """Choose the layout and the GPUs. Raises SettingsError, BundleError or InputError."""
    plan = choose_layout(settings)
    device_ids = assign_gpus(settings, plan.layout.processes)
    return Start(plan, device_ids, apply_layout(settings, plan.layout).model_copy(update={"device_id": device_ids[0]}))


def load_first_model(start: Start) -> LoadedModel:
    """Load, verify and warm up the bundle of a worker. Raises BundleError, SettingsError or InferenceError."""
    return load_model(start.settings)


def required_topics(settings: Settings) -> list[str]:
    """Return the topics without which a worker does not start: that of the frames, then the output topics."""
    topics = [getattr(settings.topics, kind) for kind in _NEEDED_TOPICS]
    return [*topics, *needed_topics(settings.topics, settings.evidence, settings.review)]


def _find_bundle(settings: Settings) -> str:
    return str(resolve_bundle(require_bundle(settings)).path)


def _read_client_certificates(settings: Settings) -> str:
    encryption_options(settings.security)
    return settings.security.protocol if settings.security.encrypted else "none; the connection is not encrypted"


def _read_login(settings: Settings) -> str:
    login_options(settings.security)
    return settings.security.mechanism or "none"


def _read_certificate(settings: Settings) -> str:
    certificate = server_certificate(settings.metrics)
    if certificate is None:
        return "none; the port serves plain HTTP"
    return f"valid until {datetime.fromtimestamp(certificate.expires_s, UTC):%Y-%m-%d %H:%M} UTC"


def _try_port(settings: Settings) -> str:
    host, port = settings.metrics.host, settings.metrics.port
    open_listener(host, port, 1, f"metrics.host = {host!r}, metrics.port = {port}").close()
    return f"{host}:{port}" if port else f"{host}, any free port"


PRECONDITIONS = (
    Step(BUNDLE, _find_bundle),
    Step("Kafka certificates", _read_client_certificates),
    Step("Kafka login", _read_login),
    Step("metrics certificate", _read_certificate),
    Step(METRICS_PORT, _try_port),
)
