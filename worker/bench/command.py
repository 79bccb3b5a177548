"""`stripwatch bench`: measures the worker and the limits of this machine in one run."""

import itertools
import math
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Table

from stripwatch.worker.bench.capacity import CapacityLimits, FrameCosts, bottleneck
from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.bench.embedded_broker import Broker, embedded_broker
from stripwatch.worker.bench.plan import PlanAnswer, parse_plan
from stripwatch.worker.bench.stage_costs import measure_steps
from stripwatch.worker.bench.workloads import BenchSetup, PacedRun, SaturatedRun, pace, saturate
from stripwatch.worker.broker.admin import temporary_topics
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.producers import open_frame_producer
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import LineRunError, SettingsError
from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.file_counts import FileCounts, with_counts
from stripwatch.worker.common.terminal.outcome import STDOUT_NAME, JsonFile, Outcome, finish
from stripwatch.worker.config.command_line.cli_options import BrokerAddress, BundleFile, SecurityConfig
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.overrides import names_of_pairs, parse_pairs
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.config.security import PLAINTEXT
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.line.camera_plan import CameraPlan
from stripwatch.worker.images.image_files import suffix_for
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.loading.open_model import require_bundle, size_check
from stripwatch.worker.model.trained_range import size_warning
from stripwatch.worker.simulator.cameras import SimulatedLine, SourceImage, play
from stripwatch.worker.simulator.frame_sender import FrameSender
from stripwatch.worker.simulator.replay import Playback, find_images
from stripwatch.worker.simulator.simulate import parse_shape, render_pool, repeat_pool

_POOL_FRAMES = 64
_CAMERAS = 4
_PARTITIONS = 6
_SEED = 20_260_002
_DEFECT_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Sizes:
    """The extent of a benchmark. loads: shares of the capacity at which latency is measured."""

    count: int
    runs: int
    loads: list[float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of one benchmark. runs: frames per second of each saturated run; saturated is the median run."""

    saturated: SaturatedRun
    runs: list[float]
    costs: FrameCosts
    limits: CapacityLimits
    paced: list[PacedRun]


@settings_as_options
def bench(
    bundle: BundleFile = DEMO_BUNDLE,
    frames: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Measure with the images in this folder instead of a simulated strip."),
    ] = None,
    shape: Annotated[str, typer.Option(help="Frame size of the simulated strip: height x width in px.")] = "200x200",
    count: Annotated[int, typer.Option(min=100, help="Number of frames per run at full load.")] = 3000,
    runs: Annotated[int, typer.Option(min=1, max=50, help="Number of runs at full load. The median is reported.")] = 5,
    load: Annotated[
        str, typer.Option(help="Shares of the capacity at which to measure latency, separated by commas.")
    ] = "0.5,0.8",
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each latency measurement in seconds.")] = 15.0,
    plan: Annotated[str, typer.Option(help="Load to plan for, such as '12 cameras 30 fps 256x1600'.")] = "",
    camera_ids: Annotated[
        str,
        typer.Option(
            help="Ids of the cameras of --plan, separated by commas, to compute the number of partitions for a sender "
            "that states only the key. Default: top-1, top-2 and so on."
        ),
    ] = "",
    broker: BrokerAddress = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the worker. Repeatable."),
    ] = None,
    config: SecurityConfig = None,
    json_file: JsonFile = None,
) -> None:
    """Measure how fast this machine inspects frames, the CPU cost of a frame, and the bottleneck.

    The command measures each step in isolation, then the worker's throughput with all frames waiting on the topic, then
    its latency with cameras at a share of that rate. The limits come from the same run: ONNX Runtime alone on prepared
    batches, consumer and decoding alone, and all cores busy with nothing but the steps. Broker and cameras share this
    machine unless --broker names an external broker.

    With --plan, the answer comes first: machines, partitions, the bottleneck, and the uncertainty of the measurement. A
    machine is planned for 70 % of its measured rate, so that it can catch up after an interruption.

    Example: stripwatch bench --bundle model.onnx --plan "12 cameras 30 fps 256x1600"
    """
    wanted = parse_plan(plan) if plan else None
    ids = _camera_ids(camera_ids, wanted)
    sizes = Sizes(count, runs, _parse_loads(load), seconds)
    given = {"bundle": bundle, **parse_pairs(setting or [])}
    settings = load_settings(config if broker else None, given, names_of_pairs(setting or []))
    set_up_logs("auto", "warning")
    security = settings.security if broker else PLAINTEXT
    arguments = ["--config", str(config.resolve())] if config and broker else []
    shots, counts = _shots(frames, wanted.shape if wanted else shape)
    _warn_of_sizes(settings, shots)
    prefix = f"bench-{uuid4().hex[:8]}."
    clock = SystemClock()
    with (
        stop_on_signal(clock.stop),
        nullcontext(Broker(broker, "")) if broker else embedded_broker() as kafka,
        nullcontext(ClientConfig(kafka.bootstrap_servers, security)) as client,
        temporary_topics(client, prefix + "full.", _PARTITIONS) as full,
        temporary_topics(client, prefix + "paced.", _PARTITIONS) as paced,
    ):
        setup = BenchSetup(bundle, kafka, setting or [], clock, security, arguments)
        _fill(setup, full["frames"], shots, count)
        found = _measure(setup, settings, shots, (full, paced), sizes)
    limit = bottleneck(found.limits, found.costs)
    answer = PlanAnswer(wanted, found.runs, usable_cores(), limit, ids) if wanted else None
    if answer and (json_file is None or str(json_file) != STDOUT_NAME):
        print(answer.sentence(), file=None if json_file or sys.stdout.isatty() else sys.stderr, flush=True)
    shown = with_counts(_summary(found, answer), counts, answer.facts() if answer else {})
    finish(Outcome(*shown, [_table(found)]), json_file)


def _measure(
    setup: BenchSetup,
    settings: Settings,
    shots: list[SourceImage],
    topics: tuple[dict[str, str], dict[str, str]],
    sizes: Sizes,
) -> Measured:
    full, paced = topics
    say("measuring each step in isolation")
    here = {"security": setup.security, "bootstrap_servers": setup.broker.bootstrap_servers, "topics": Topics(**full)}
    steps = measure_steps(settings.model_copy(update=here), sizes.count, paced["defects"])
    runs = []
    for number in range(sizes.runs):
        say(f"measuring throughput with {sizes.count} waiting frames, run {number + 1} of {sizes.runs}")
        runs.append(saturate(setup, full, sizes.count))
    runs.sort(key=lambda run: run.frames_per_second)
    median = runs[(len(runs) - 1) // 2]  # of an even number the slower one, on which a plan can rely
    rates = [share * median.frames_per_second for share in sizes.loads]
    say(f"measuring latency at {', '.join(f'{rate:.0f}' for rate in rates)} frames/s, {sizes.seconds:g} s each")
    with tempfile.TemporaryDirectory(prefix="stripwatch-bench-") as folder:
        images = _write_shots(shots, Path(folder, "images"))
        latencies = pace(setup, paced, images, rates, sizes.seconds)
    on_cpu = median.provider == "CPUExecutionProvider"
    broker_s = median.broker_cpu_s_per_frame
    speeds = [round(run.frames_per_second, 1) for run in runs]
    return Measured(median, speeds, steps.costs(broker_s), steps.limits(broker_s, on_cpu), latencies)


def _fill(setup: BenchSetup, topic: str, shots: list[SourceImage], count: int) -> None:
    """Send all frames to the topic."""
    say(f"sending {count} frames")
    line = SimulatedLine(cameras=_CAMERAS, rate_fps=0, mm_per_frame=1000, coil="BENCH")
    with open_frame_producer(setup.client, topic) as producer:
        sender = FrameSender(producer, topic, None)
        play(itertools.islice(repeat_pool(shots, _SEED), count), line, sender.send, setup.clock, math.inf)
        sender.finish()
    if setup.clock.stopped:
        raise LineRunError("interrupted before the measurement was complete")


def _shots(folder: Path | None, shape: str) -> tuple[list[SourceImage], FileCounts | None]:
    """Return the images to send, and the counts of the folder that they are from."""
    if folder is None:
        return render_pool(_POOL_FRAMES, parse_shape(shape), _SEED, _DEFECT_SHARE), None
    playback = Playback(find_images(folder))
    return list(playback.shots(loop=False)), playback.counts


def _warn_of_sizes(settings: Settings, shots: Sequence[SourceImage]) -> None:
    """Warn if the frames differ in size from the training frames. Their speed is valid, their results mean little."""
    check = size_check(load_resolved(resolve_bundle(require_bundle(settings))).manifest, settings)
    if warning := size_warning(check, (shot.encoded for shot in shots)):
        say(warning)


def _write_shots(shots: Sequence[SourceImage], folder: Path) -> Path:
    folder.mkdir()
    for number, shot in enumerate(shots):
        (folder / f"{number:06d}{suffix_for(shot.content_type)}").write_bytes(shot.encoded)
    return folder


def _parse_loads(text: str) -> list[float]:
    try:
        loads = [float(part) for part in text.split(",")]
    except ValueError:
        loads = []
    if not loads or not all(0 < load <= 1 for load in loads):
        raise SettingsError(
            f"--load must list shares of the capacity above 0 and up to 1, such as 0.5,0.8, not {text!r}"
        )
    return loads


def _table(found: Measured) -> Table:
    """Build the table of the results."""
    run, limits, costs = found.saturated, found.limits, found.costs
    name, limit_fps = limits.binding
    table = Table("measurement", "value", "note", title="Stripwatch bench", title_justify="left")
    table.add_row("worker at full load", f"{run.frames_per_second:.0f} frames/s", "")
    for what, fps in (
        ("limit: inference alone", limits.inference_fps),
        ("limit: intake and decode alone", limits.intake_fps),
        ("limit: CPU, all cores fully used", limits.cpu_fps),
    ):
        if fps is not None:
            table.add_row(what, f"{fps:.0f} frames/s", limit_note(run.frames_per_second / fps))
    table.add_row("bottleneck", name, f"{limit_fps:.0f} frames/s", end_section=True)
    for what, seconds in asdict(costs).items():
        table.add_row(f"CPU, {what.removesuffix('_s')} alone", _cpu(seconds), "")
    table.add_row("CPU, whole worker", _cpu(run.worker_cpu_s_per_frame), "")
    table.add_row("mean batch size", f"{run.batch_frames_mean:.1f} frames", "")
    table.add_row(f"{run.provider} busy", f"{run.device_busy_share:.0%} of the time", "", end_section=True)
    for paced in found.paced:
        figures = "/".join("-" if ms is None else f"{ms:.0f}" for ms in _percentiles(paced))
        share = f"{paced.offered_fps / run.frames_per_second:.0%} of full load"
        table.add_row(f"latency at {paced.offered_fps:.0f} frames/s", f"{figures} ms p50/p95/p99", share)
    return table


def limit_note(share: float) -> str:
    """Return a note about a limit. A worker that exceeds it was measured while the machine was less busy."""
    return f"worker reaches {share:.0%}" if round(share, 2) <= 1 else "worker exceeds it; repeat on an idle machine"


def _cpu(seconds: float | None) -> str:
    return "not available" if seconds is None else f"{1000 * seconds:.3f} s per 1,000 frames"


def _percentiles(paced: PacedRun) -> tuple[float | None, float | None, float | None]:
    return paced.latency_ms_p50, paced.latency_ms_p95, paced.latency_ms_p99


def _camera_ids(text: str, plan: CameraPlan | None) -> list[str]:
    """Return the camera ids of a plan. Raises SettingsError if their number differs from the plan's."""
    if plan is None:
        if text:
            raise SettingsError("--camera-ids needs --plan")
        return []
    ids = [part.strip() for part in text.split(",")] if text else [f"top-{n}" for n in range(1, plan.cameras + 1)]
    if len(ids) != plan.cameras or len(set(ids)) != len(ids) or "" in ids:
        raise SettingsError(
            f"--camera-ids must list {plan.cameras} different ids, as --plan has {plan.cameras} cameras"
        )
    return ids


def _summary(found: Measured, answer: PlanAnswer | None) -> dict[str, Any]:
    """Build the JSON summary. "of_limits" is the worker's rate divided by each limit."""
    run, limits = found.saturated, found.limits
    every = {"inference": limits.inference_fps, "intake": limits.intake_fps, "cpu": limits.cpu_fps}
    summary: dict[str, Any] = {
        "provider": run.provider,
        "cores": usable_cores(),
        "frames_per_second": round(run.frames_per_second, 1),
        "runs": found.runs,
        "limits": {name: _rounded(fps, 1) for name, fps in every.items()},
        "of_limits": {name: fps and round(run.frames_per_second / fps, 3) for name, fps in every.items()},
        "binds": limits.binding[0],
        "cpu_s_per_1000_frames": {
            **{name.removesuffix("_s"): _rounded(s and 1000 * s, 3) for name, s in asdict(found.costs).items()},
            "worker": _rounded(run.worker_cpu_s_per_frame and 1000 * run.worker_cpu_s_per_frame, 3),
        },
        "batch_frames_mean": round(run.batch_frames_mean, 2),
        "device_busy_share": round(run.device_busy_share, 3),
        "latency": [asdict(paced) | {"offered_fps": round(paced.offered_fps, 1)} for paced in found.paced],
    }
    if answer is not None:
        summary["plan"] = answer.summary()
    return summary


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
