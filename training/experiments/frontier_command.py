"""Command `stripwatch train frontier`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.training.datasets.cli_options import BitDepth, CleanLabel, Data, Layout, MergeLabels, TaskOption
from stripwatch.training.experiments import frontier_options as options
from stripwatch.training.experiments.commands import ClassCommand, Folds
from stripwatch.training.fitting.cli_options import NoNovelty
from stripwatch.training.frontier.plan.budget import FRAMES_MAX
from stripwatch.training.frontier.plan.requirement import OTHER_MS, UTILISATION, parse_requirement
from stripwatch.training.preparation.finding import counted
from stripwatch.worker.common.errors import RateNotReachedError, SettingsError
from stripwatch.worker.common.terminal.command_line import COMMAND_CLASS
from stripwatch.worker.common.terminal.interruption import given_command, hint_if_interrupted
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish

if TYPE_CHECKING:
    from stripwatch.training.experiments.frontier import Frontier, FrontierSettings
    from stripwatch.training.frontier.plan.result import FrontierResult


def frontier(
    data: Data,
    out: options.FrontierFolder,
    networks: options.SearchedNetworks,
    within: options.WithinPoints = 0.5,
    cameras: options.RequiredCameras = None,
    frames_per_second: options.FramesPerSecond = None,
    cores: options.Cores = None,
    utilisation: options.Utilisation = UTILISATION,
    other_ms: options.OtherMs = OTHER_MS,
    budget_minutes: options.BudgetMinutes = 60,
    sizes: options.InputSizes = "",
    int8: options.TryInt8 = True,
    no_novelty: NoNovelty = False,
    fit: options.FitWinner = True,
    images_max: options.ImagesMax = FRAMES_MAX,
    folds: Folds = 5,
    seed: options.SearchSeed = 0,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: CleanLabel = None,
    merge_labels: MergeLabels = False,
    bit_depth: BitDepth = None,
    json_file: JsonFile = None,
) -> None:
    """Find the model that costs the least processor time per frame for the accuracy that is needed.

    Searches networks, cuts, input sizes, decodings (colour, grey, scaled JPEG) and precisions within a time budget.
    The accuracy of each candidate is cross-validated with linear heads on the features of the frozen network, which
    its cuts share. The cost is the processor time of a whole frame on this machine, from its bytes to its scores, as
    a worker computes it. Only candidates that could be on the frontier are timed.

    The cheapest candidate at most --within percentage points below the most accurate one is recommended. With
    --cameras or --frames-per-second, the most accurate one that reaches the rate is recommended; if none does, the
    exit code is 13. The recommended candidate is then fitted, and its run folder can be exported.

    OUT/report.html shows accuracy against cost and explains the recommendation in words.

    \b
    Example:
      stripwatch train frontier --data images/ --clean-label clean --out runs/frontier \\
        --network mobilenet:alpha=0.25 --network inceptionv3:cut=mixed8 --within 0.5
      stripwatch train frontier --data images/ --clean-label clean --out runs/frontier \\
        --network mobilenet:alpha=0.25 --cameras "12 x 30 fps 256x1600" --cores 4
    """
    if len(data) > 1:
        raise SettingsError("--data is given more than once; frontier takes one folder")
    wanted = parse_requirement(cameras, frames_per_second, cores, utilisation, other_ms)
    load_tensorflow()
    require("matplotlib", "onnx", "onnxruntime", "scipy", "sklearn", "tf2onnx")
    from stripwatch.training.experiments.frontier import FrontierSettings
    from stripwatch.training.frontier.measure.search_context import SearchSettings
    from stripwatch.training.frontier.plan.candidates import parse_sizes
    from stripwatch.training.frontier.plan.network_option import parse_networks

    search = SearchSettings(
        *(parse_networks(networks), parse_sizes(sizes), int8, within, folds, seed, not no_novelty, wanted)
    )
    settings = FrontierSettings(
        *(data[0], out, search, budget_minutes, layout, task, clean_label, merge_labels, bit_depth, fit, images_max),
        command=given_command(),
    )
    found = _find(settings)
    finish(_outcome(settings, found), json_file)
    _require_rate(found.result)


def _find(settings: FrontierSettings) -> Frontier:
    from stripwatch.training.experiments.frontier import find_frontier

    with hint_if_interrupted(_how_to_continue):
        return find_frontier(settings)


def _require_rate(result: FrontierResult) -> None:
    """Raise RateNotReachedError if a rate is required and no candidate reaches it."""
    rate = result.rate
    if rate is None or rate.reached_by is not None:
        return
    name = min(rate.frame_ms, key=lambda each: rate.frame_ms[each])
    raise RateNotReachedError(
        f"no candidate reaches {rate.frames_per_second:g} frames per second on {counted(rate.cores, 'core')}: the "
        f"cheapest one, {name}, needs {rate.cores_needed[name]:.1f} cores; add cores, lower the rate, or search "
        "smaller networks and inputs"
    )


def _how_to_continue() -> str:
    return f"; what was measured is kept, continue with: {given_command()}"


def _outcome(settings: FrontierSettings, found: Frontier) -> Outcome:
    from stripwatch.training.frontier.report.page import frontier_table

    result, out = found.result, settings.out
    report = out / "report.html"
    summary = {**_summary(result), "out": str(out), "run": str(found.run) if found.run else None, "report": str(report)}
    steps: list[str] = []
    if found.run is not None and result.winner is not None:
        bundle = out / f"{found.run.name}.onnx"
        precision = ["--precision", "int8"] if result.entry(result.winner).precision == "int8" else []
        steps = [
            command_text("train", "evaluate", found.run),
            command_text("export", "run", found.run, "--out", bundle, *precision),
        ]
    return Outcome(summary, _facts(result), [frontier_table(result)], steps, {"report": report})


def _summary(result: FrontierResult) -> dict[str, Any]:
    timed = {entry.name: entry for entry in result.timed}
    return {
        "winner": result.winner,
        "best": result.best,
        "within": result.within,
        "within_points": result.within_points,
        "reached": None if result.rate is None else result.rate.reached_by is not None,
        "front": result.front,
        "accuracy": {name: round(entry.accuracy.value, 6) for name, entry in timed.items()},
        "frame_ms": {name: round(entry.cost.total_ms, 4) for name, entry in timed.items() if entry.cost},
        "candidates": len(result.entries),
        "untried": result.untried,
        "rejected": result.rejected,
        "minutes": result.minutes,
    }


def _facts(result: FrontierResult) -> dict[str, str]:
    from stripwatch.training.frontier.report.wording import accuracy_text, cost_text

    facts = {"candidates": f"{len(result.entries):,} scored, {len(result.timed):,} timed"}
    for role, name in (("recommended", result.winner), ("most accurate", result.best)):
        if name is not None:
            entry = result.entry(name)
            facts |= {role: name, f"{role}, accuracy": accuracy_text(entry), f"{role}, cost": cost_text(entry)}
    if result.untried:
        facts["not measured"] = f"{len(result.untried):,}, for want of time or for another reason; see the report"
    return facts


setattr(frontier, COMMAND_CLASS, ClassCommand)
