"""`stripwatch train crossval` and `compare`: what they take, and the summaries they end with."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.training.datasets.cli_options import BitDepth, CleanLabel, Data, Layout, TaskOption, ValShare
from stripwatch.training.evaluation.command import rounded
from stripwatch.worker.common.console import print_summary
from stripwatch.worker.common.errors import SettingsError


def crossval(
    context: typer.Context,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the runs and crossval.json; continue in it after a stop.")],
    folds: Annotated[int, typer.Option(min=2, max=50, help="Parts; each is scored by a fit on the others.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and of each fit.")] = 0,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: CleanLabel = None,
    bit_depth: BitDepth = None,
) -> None:
    """Cross-validate: fit on all folds but one, score that one, for each; one summary over all images.

    Every other flag goes to fit. The last epoch of each fit counts: the scored fold chooses nothing.

    \b
    Example:
      stripwatch train crossval --data images/ --folds 5 --out runs/folds \\
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
    networks: Annotated[str, typer.Option(metavar="A,B,...", help="Networks; NAME=NETWORK gives one its own name.")],
    out: Annotated[Path, typer.Option(help="Folder for the runs and the leaderboard; continue in it after a stop.")],
    rule: Annotated[str, typer.Option(help="Who wins: best, or fastest-within:POINTS of the best.")] = "best",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME:FLAG=VALUE", help="A flag of fit for one network alone."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of each fit.")] = 0,
    val_share: ValShare = 0.2,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: CleanLabel = None,
    bit_depth: BitDepth = None,
) -> None:
    """Compare networks on one split: accuracy, size, and speed through ONNX Runtime; a table, a plot and a winner.

    Every other flag goes to each fit. leaderboard.csv, .json and .png hold the result.

    \b
    Example:
      stripwatch train compare --data images/ --networks mobilenet,xception \\
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
    """Of an option that is given twice the last would win, without a word."""
    if len(data) > 1:
        raise SettingsError("--data is given more than once: crossval and compare take one folder, fit takes several")
    return data[0]
