"""Commands `stripwatch train crossval` and `stripwatch train compare`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.training.datasets.cli_options import BitDepth, CleanLabel, Data, Layout, TaskOption, ValShare
from stripwatch.training.evaluation.command import rounded
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.terminal.console import print_summary


def crossval(
    context: typer.Context,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(help="Folder for the runs and crossval.json. Run again with the same folder to continue."),
    ],
    folds: Annotated[
        int, typer.Option(min=2, max=50, help="Number of folds. Each one is scored by a fit on the others.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the folds and of each fit.")] = 0,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: CleanLabel = None,
    bit_depth: BitDepth = None,
) -> None:
    """Cross-validate a network: every image is scored once, by a model that was not fitted on it.

    For each fold, a model is fitted on the other folds. All other options are passed to fit. The last epoch of each fit
    is used, so that the scored fold does not influence the model.

    \b
    Example:
      stripwatch train crossval --data images/ --clean-label clean --folds 5 --out runs/folds \\
        --network mobilenet --alpha 0.25 --weights imagenet
    """
    folder = _only(data)
    load_tensorflow()
    require("scipy", "sklearn")
    from stripwatch.training.experiments.crossval import CrossvalSettings, cross_validate, summarize

    settings = CrossvalSettings(folder, out, folds, seed, layout, task, clean_label, context.args, bit_depth)
    print_summary({"out": str(out), "folds": folds, "seed": seed, **summarize(cross_validate(settings))})


def compare(
    context: typer.Context,
    data: Data,
    networks: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="Networks to compare, separated by commas. NAME=NETWORK enters a network under another name.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for the runs and the leaderboard. Run again with the same folder to continue."),
    ],
    rule: Annotated[
        str,
        typer.Option(
            help="Selection of the winner. best: highest accuracy. fastest-within:POINTS: the fastest network at most "
            "POINTS percentage points below the highest accuracy."
        ),
    ] = "best",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME:FLAG=VALUE", help="Option of fit for one network only. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the split and of each fit.")] = 0,
    val_share: ValShare = 0.2,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: CleanLabel = None,
    bit_depth: BitDepth = None,
) -> None:
    """Compare networks on the same split by accuracy, size and inference speed, and choose a winner.

    Each network is fitted, evaluated, exported, and timed in the worker's inference session. All other options are
    passed to each fit. The results are in leaderboard.csv, leaderboard.json and leaderboard.png.

    \b
    Example:
      stripwatch train compare --data images/ --clean-label clean --networks mobilenet,xception \\
        --set mobilenet:alpha=0.25 --rule fastest-within:0.5 --epochs 10 --out runs/compared
    """
    folder = _only(data)
    load_tensorflow()
    require("matplotlib", "onnx", "onnxruntime", "scipy", "sklearn", "tf2onnx")
    from stripwatch.training.experiments.compare import CompareSettings, parse_candidates
    from stripwatch.training.experiments.compare import compare as run_compare
    from stripwatch.training.experiments.leaderboard import Rule, to_table

    candidates = parse_candidates(networks, set_ or [])
    settings = CompareSettings(
        folder, out, candidates, Rule.parse(rule), seed, val_share, layout, task, clean_label, context.args, bit_depth
    )
    board = run_compare(settings)
    Console(width=None if sys.stdout.isatty() else 120).print(to_table(board))
    summary = {"out": str(out), "rule": board.rule, "winner": board.winner, "front": board.front}
    accuracies = {entry.name: rounded(entry.accuracy) for entry in board.entries}
    speeds = {entry.name: entry.frames_per_second for entry in board.entries}
    print_summary(summary | {"accuracy": accuracies, "frames_per_second": speeds})


def _only(data: list[Path]) -> Path:
    """Return the only data folder. Raises SettingsError for several, of which all but the last would be ignored."""
    if len(data) > 1:
        raise SettingsError("--data is given more than once; crossval and compare take one folder, fit takes several")
    return data[0]
