"""Finds the fastest layout for a model on this machine by trying, at the first start, and stores the result."""

import json
import os
import platform
import re
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE
from typing import Any

import msgspec
import onnxruntime as ort
import structlog

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.process.child_process import ChildProcess, module_command, running_process, stop_all
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.config.cache_dir import cache_folder
from stripwatch.worker.config.settings import ENV_PREFIX, Settings
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.loading.open_model import require_bundle
from stripwatch.worker.service.autotune_trial import READY
from stripwatch.worker.service.core_layout import CoreLayout, Trial, candidates, choose, with_processes
from stripwatch.worker.service.gpu_assignment import usable_gpus

log = structlog.get_logger()

_TRIAL_S = 1.5
_TRIAL_S_MAX = 120.0  # including loading and warm-up
_BATCH_FRAMES_MAX = 4  # warming up larger batches takes a large model longer than the trial
_TRIAL_SETTINGS = ("provider", "batch_frames_max", "batches_in_flight", "latency_ms_target", "linger_ms_max")


class TrialError(Exception):
    """A layout could not be tried. The message gives the reason."""


@dataclass(frozen=True, slots=True)
class LayoutChoice:
    """The chosen layout and the reason for it."""

    layout: CoreLayout
    reason: str


def choose_layout(settings: Settings) -> LayoutChoice:
    """Choose the layout for this model on this machine. A failed trial only costs the trial.

    Raises SettingsError if the provider is not available, and BundleError or InputError as loading the bundle does.
    """
    if settings.processes != "auto":
        return LayoutChoice(with_processes(settings, settings.processes, usable_cores()), "set by processes")
    gpus = usable_gpus(settings)
    layouts = candidates(settings, usable_cores(), gpus)
    if len(layouts) == 1:
        return LayoutChoice(layouts[0], _reason_for_one_layout(settings, gpus))
    bundle = load_resolved(resolve_bundle(require_bundle(settings)))
    folder = cache_folder(settings)
    path = folder / f"layout-{_digest(settings, bundle, layouts)}.json" if folder else None
    trials, how = read_trials(path, layouts) if path else None, "from stored trials"
    if trials is None:
        log.info(
            "trying layouts",
            reason="processes = 'auto', and there are no stored trials of this model",
            bundle=str(bundle.path),
            layouts=len(layouts),
        )
        try:
            trials, how = (
                [Trial(layout, measure_layout(settings, bundle, layout)) for layout in layouts],
                "from new trials",
            )
        except (TrialError, OSError) as error:
            log.warning("layouts could not be tried; using one process per core", error=str(error))
            return LayoutChoice(layouts[-1], f"not tried: {error}")
        if path:
            _store(path, trials)
    rates = ", ".join(f"{trial.frames_per_second:.0f} frames/s with {trial.layout.processes}" for trial in trials)
    plan = LayoutChoice(choose(trials), f"{how}: {rates} processes")
    log.info("layout", **asdict(plan.layout), reason=plan.reason)
    return plan


def _reason_for_one_layout(settings: Settings, gpus: int) -> str:
    """Return why there is nothing to try."""
    if gpus == 0:
        return "one core"
    if settings.device_id is not None:
        return f"one process on the GPU set by device_id = {settings.device_id}"
    return "one process on the only GPU" if gpus == 1 else f"one process on each of {gpus} GPUs"


def apply_layout(settings: Settings, layout: CoreLayout) -> Settings:
    """Return the settings of a worker that is the only process of its layout."""
    return settings.model_copy(update=asdict(layout))


def read_trials(path: Path, layouts: Sequence[CoreLayout]) -> list[Trial] | None:
    """Return the stored trials of these layouts, or None if there are none or they are invalid."""
    try:
        trials = msgspec.json.decode(path.read_bytes(), type=list[Trial])
    except (OSError, msgspec.MsgspecError):
        return None
    valid = [trial.layout for trial in trials] == list(layouts) and all(t.frames_per_second > 0 for t in trials)
    return trials if valid else None


def _store(path: Path, trials: Sequence[Trial]) -> None:
    """Store the trials. If the folder is not writable, the next start repeats them."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, msgspec.json.encode(trials))
    except (InputError, OSError) as error:
        log.warning("cannot store the trials of layouts", error=str(error))


def _digest(settings: Settings, bundle: Bundle, layouts: Sequence[CoreLayout]) -> str:
    """Return a digest of everything a trial depends on: model, machine, runtime, and the relevant settings."""
    machine = [platform.machine(), platform.node(), usable_cores(), ort.__version__, ort.get_available_providers()]
    shaped = {name: getattr(settings, name) for name in _TRIAL_SETTINGS}
    text = json.dumps([bundle.sha256, machine, shaped, [asdict(layout) for layout in layouts]])
    return sha256(text.encode()).hexdigest()[:16]


def measure_layout(settings: Settings, bundle: Bundle, layout: CoreLayout, seconds: float = _TRIAL_S) -> float:
    """Return the frames per second of all processes of a layout together.

    Raises TrialError. Must be called from the main thread.
    """
    given: dict[str, Any] = {name: getattr(settings, name) for name in _TRIAL_SETTINGS}
    given["batch_frames_max"] = min(_BATCH_FRAMES_MAX, settings.batch_frames_max)
    given |= asdict(layout) | {"bundle": str(bundle.path.resolve()), "processes": 1}
    command = [*module_command("worker.service.autotune_trial"), json.dumps(given), str(seconds)]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(ENV_PREFIX)}
    with ExitStack() as ended:
        children = [
            ended.enter_context(
                running_process("a trial", command, environment, stop_s_max=0.0, stdin=PIPE, stdout=PIPE)
            )
            for _ in range(layout.processes)
        ]
        timer = threading.Timer(_TRIAL_S_MAX, stop_all, [children, 0.0])
        timer.start()
        ended.callback(timer.cancel)
        for child in children:
            _read_line(child, READY)
        for child in children:
            _start_measurement(child)
        return sum(int(_read_line(child, r"\d+")) for child in children) / seconds


def _start_measurement(child: ChildProcess) -> None:
    """Start the measurement. Raises OSError if the process has ended."""
    assert child.process.stdin is not None
    child.process.stdin.write(b"begin\n")
    child.process.stdin.flush()


def _read_line(child: ChildProcess, pattern: str) -> str:
    """Return the next line of a process. Raises TrialError with the end of its output if the line does not match."""
    assert child.process.stdout is not None
    line = child.process.stdout.readline().decode().strip()
    if not re.fullmatch(pattern, line):
        raise TrialError(f"a trial process ended or did not respond within {_TRIAL_S_MAX:.0f} s{child.output_text()}")
    return line
