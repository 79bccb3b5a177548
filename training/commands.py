"""Commands that look at data and at finished runs: what they take, and the summary they end with."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.export.runs.run_evaluation import Interval, total
from stripwatch.training.options import TaskOption
from stripwatch.worker.common.console import print_summary
from stripwatch.worker.common.errors import SettingsError

Data = Annotated[list[Path], typer.Option(help="Folder of JPEG or PNG files, read with all its subfolders.")]
Layout = Annotated[str, typer.Option(help="How the data lies: auto, prefix, folder, manifest, severstal or collected.")]
# Flags that a command does not know are for fit.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def survey(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder for survey.json and a contact sheet of each class.")] = None,
    layout: Layout = "auto",
) -> None:
    """Say what a data set holds: class balance, image sizes, copies, files that cannot be read.

    Copies are files with the same pixels, and those that are nearly the same: brighter, smaller or compressed anew.
    The lists of their names stand in survey.json.

    \b
    Example:
      stripwatch-train survey images/ --out survey
    """
    require("matplotlib", "scipy")
    from stripwatch.training.survey.report import summarize, write_survey
    from stripwatch.training.survey.survey import survey as run_survey

    found = run_survey(data, layout)
    if out is not None:
        write_survey(found, out)
    print_summary(summarize(found))


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that fit wrote.")],
    data: Annotated[Path | None, typer.Option(help="Where the data folder of the run is now, if it moved.")] = None,
    test: Annotated[
        Path | None, typer.Option(help="Another data folder to measure on; else the run's validation frames.")
    ] = None,
    recall: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Suspect a label from where this is reached; else best F1.")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="VOC XML folder or truth.jsonl, to measure places; else what fit was given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and pictures; else RUN/evaluation.")] = None,
) -> None:
    """Measure a finished run: figures a label, calibration, thresholds, pictures and one report.html.

    evaluation.json in the run folder keeps the figures and the thresholds. Thresholds and temperature are always chosen
    on the run's validation frames.

    \b
    Example:
      stripwatch-train evaluate runs/first --recall 0.98
    """
    load_tensorflow()
    require("matplotlib", "scipy", "seaborn", "sklearn")
    from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate_run

    settings = EvaluateSettings(run, data, test, recall, out, boxes)
    found = evaluate_run(settings)
    print_summary(
        {
            "run": str(run),
            "measured_on": found.measured_on,
            "frames": found.frames,
            "accuracy": rounded(found.accuracy),
            "macro_f1": rounded(found.macro_f1),
            "calibration_error": round(found.calibration.error, 4),
            "temperature": round(found.calibration.temperature, 3),
            "calibration_error_scaled": round(found.calibration.error_scaled, 4),
            "temperature_applied": round(found.calibration.applied, 3),
            "thresholds": {
                label: {"unsure": round(chosen.unsure.value, 4), "sure": round(chosen.sure.value, 4)}
                for label, chosen in found.thresholds.items()
            },
            "unreached": [label for label, chosen in found.thresholds.items() if not chosen.unsure.reached],
            "localisation": found.localisation and total(found.localisation).shares,
            "report": str((out or run / "evaluation") / "report.html"),
        }
    )


def _only(data: list[Path]) -> Path:
    """Of an option that is given twice the last would win, without a word."""
    if len(data) > 1:
        raise SettingsError("--data is given more than once: crossval and compare take one folder, fit takes several")
    return data[0]


def rounded(found: Interval) -> list[float]:
    """Value, low and high."""
    return [round(limit, 4) for limit in (found.value, found.low, found.high)]


def crossval(
    context: typer.Context,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the runs and crossval.json; go on in it after a stop.")],
    folds: Annotated[int, typer.Option(min=2, max=50, help="Parts; each is scored by a fit on the others.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and of each fit.")] = 0,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: Annotated[str | None, typer.Option(help="The label that means: no defect.")] = None,
) -> None:
    """Cross-validate: fit on all folds but one, score that one, for each; one summary over all images.

    Every other flag goes to fit. The last epoch of each fit counts: the scored fold chooses nothing.

    \b
    Example:
      stripwatch-train crossval --data images/ --folds 5 --out runs/folds \\
        --network mobilenet --alpha 0.25 --weights imagenet
    """
    folder = _only(data)
    load_tensorflow()
    require("scipy", "sklearn")
    from stripwatch.training.experiments.crossval import CrossvalSettings, cross_validate, summarize

    settings = CrossvalSettings(folder, out, folds, seed, layout, task, clean_label, context.args)
    print_summary({"out": str(out), "folds": folds, "seed": seed, **summarize(cross_validate(settings))})


def compare(
    context: typer.Context,
    data: Data,
    networks: Annotated[str, typer.Option(metavar="A,B,...", help="Networks; NAME=NETWORK gives one its own name.")],
    out: Annotated[Path, typer.Option(help="Folder for the runs and the leaderboard; go on in it after a stop.")],
    rule: Annotated[str, typer.Option(help="Who wins: best, or fastest-within:POINTS of the best.")] = "best",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME:FLAG=VALUE", help="A flag of fit for one network alone."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of each fit.")] = 0,
    val_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of each class for validation.")] = 0.2,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: Annotated[str | None, typer.Option(help="The label that means: no defect.")] = None,
) -> None:
    """Compare networks on one split: accuracy, size, and speed through ONNX Runtime; a table, a plot and a winner.

    Every other flag goes to each fit. leaderboard.csv, .json and .png hold the result.

    \b
    Example:
      stripwatch-train compare --data images/ --networks mobilenet,xception \\
        --set mobilenet:alpha=0.25 --rule fastest-within:0.5 --epochs 10 --out runs/compared
    """
    folder = _only(data)
    load_tensorflow()
    require("matplotlib", "onnx", "onnxruntime", "scipy", "seaborn", "sklearn", "tf2onnx")
    from stripwatch.training.experiments.compare import CompareSettings, parse_candidates
    from stripwatch.training.experiments.compare import compare as run_compare
    from stripwatch.training.experiments.leaderboard import Rule, to_table

    candidates = parse_candidates(networks, set_ or [])
    settings = CompareSettings(
        folder, out, candidates, Rule.parse(rule), seed, val_share, layout, task, clean_label, context.args
    )
    board = run_compare(settings)
    Console(width=None if sys.stdout.isatty() else 120).print(to_table(board))
    summary = {"out": str(out), "rule": board.rule, "winner": board.winner, "front": board.front}
    accuracies = {entry.name: rounded(entry.accuracy) for entry in board.entries}
    speeds = {entry.name: entry.frames_per_second for entry in board.entries}
    print_summary(summary | {"accuracy": accuracies, "frames_per_second": speeds})
