"""Commands `stripwatch train crossval` and `stripwatch train compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.datasets.cli_options import (
    BitDepth,
    CleanLabel,
    Data,
    Layout,
    LeaveOneOut,
    MergeLabels,
    StressFrames,
    TaskOption,
    Unknown,
    ValShare,
)
from stripwatch.training.evaluation.command import rounded
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.terminal.command_line import COMMAND_CLASS, Command
from stripwatch.worker.common.terminal.facts import interval_text
from stripwatch.worker.common.terminal.file_counts import with_counts
from stripwatch.worker.common.terminal.interruption import given_command, hint_if_interrupted
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.common.terminal.tables import numbers_table

if TYPE_CHECKING:
    from stripwatch.training.experiments.compare import CompareSettings
    from stripwatch.training.experiments.crossval import CrossvalSettings
    from stripwatch.training.experiments.crossval_result import CrossvalResult
    from stripwatch.training.experiments.leaderboard import Leaderboard

Folds = Annotated[int, typer.Option(min=2, max=50, help="Number of folds. Each one is scored by a fit on the others.")]


class ClassCommand(Command):
    """Command that compares classes, and says what to do instead with an anomaly model, which has none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Raises SettingsError for `--task anomaly`."""
        if "--task=anomaly" in args or ("--task", "anomaly") in pairwise(args):
            raise SettingsError(
                "--task anomaly has no meaning here, because an anomaly model has no classes to compare; use "
                "'stripwatch train fit --task anomaly', then 'stripwatch train evaluate --test' with other images"
            )
        return super().parse_args(ctx, args)


def crossval(
    context: typer.Context,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the runs, crossval.json and report.html. Run again with the same folder to continue."
        ),
    ],
    folds: Folds = 5,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the folds and of each fit.")] = 0,
    layout: Layout = "auto",
    task: TaskOption = "multiclass",
    clean_label: CleanLabel = None,
    merge_labels: MergeLabels = False,
    bit_depth: BitDepth = None,
    unknown: Unknown = None,
    leave_one_out: LeaveOneOut = True,
    stress_frames: StressFrames = 0,
    json_file: JsonFile = None,
) -> None:
    """Cross-validate a network: every image is scored once, by a model that was not fitted on it.

    For each fold, a model is fitted on the other folds. All other options are passed to fit. The last epoch of each fit
    is used, so that the scored fold does not influence the model. OUT/report.html shows the results and links to the
    report of each fold.

    "novelty" in the JSON object states how much of what the model does not know its novelty detector finds. In each
    fold, each class is left out in turn: a classifier, the detector and the threshold are fitted on the features of the
    other classes, and the held-out frames of the class should come out as novel. False alarms are held-out frames above
    the threshold of their fold. The features of a frozen backbone are computed once for all folds.

    "stress" states what the models withstand, as in evaluate, with the shares at every strength of each change. The
    model of each fold is tested on --stress-frames of its held-out frames; thresholds and temperature are chosen on the
    held-out frames of the other folds. This takes about 50 predictions per frame, and is omitted unless you ask for it.

    \b
    Example:
      stripwatch train crossval --data images/ --clean-label clean --folds 5 --out runs/folds \\
        --network mobilenet --alpha 0.25 --weights imagenet --unknown other-steel/
    """
    with hint_if_interrupted(_how_to_continue):
        load_tensorflow()
        require("matplotlib", "scipy", "sklearn")
    from stripwatch.training.experiments.crossval import CrossvalSettings

    settings = CrossvalSettings(
        *(_only(data), out, folds, seed, layout, task, clean_label, context.args, bit_depth),
        unknown=tuple(unknown or ()),
        leave_one_out=leave_one_out,
        merge_labels=merge_labels,
        stress_frames=stress_frames,
    )
    own: list[str | Path] = ["--folds", str(folds)]
    own += [word for each in unknown or () for word in ("--unknown", each)]
    own += [] if leave_one_out else ["--no-leave-one-out"]
    own += _stress_words(stress_frames)
    settings = replace(settings, command=_command("crossval", settings, own))
    finish(_cross_validate(settings), json_file)


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
        typer.Option(
            help="Folder for the runs, the leaderboard and report.html. Run again with the same folder to continue."
        ),
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
    merge_labels: MergeLabels = False,
    bit_depth: BitDepth = None,
    stress_frames: StressFrames = 0,
    json_file: JsonFile = None,
) -> None:
    """Compare networks on the same split by accuracy, size and inference speed, and choose a winner.

    Each network is fitted, evaluated, exported, and timed in the worker's inference session. All other options are
    passed to each fit. OUT/report.html shows the results and links to the report of each network; they are also in
    leaderboard.csv, leaderboard.json and leaderboard.png.

    --stress-frames adds what each network withstands, as in evaluate. This takes about 50 predictions per frame and
    network, which can be longer than the fits, so it is omitted unless you ask for it.

    \b
    Example:
      stripwatch train compare --data images/ --clean-label clean --networks mobilenet,xception \\
        --set mobilenet:alpha=0.25 --rule fastest-within:0.5 --epochs 10 --out runs/compared
    """
    folder = _only(data)
    with hint_if_interrupted(_how_to_continue):
        load_tensorflow()
        require("matplotlib", "onnx", "onnxruntime", "scipy", "sklearn", "tf2onnx")
    from stripwatch.training.experiments.compare import CompareSettings, parse_candidates
    from stripwatch.training.experiments.leaderboard import Rule

    candidates = parse_candidates(networks, set_ or [])
    settings = CompareSettings(
        folder, out, candidates, Rule.parse(rule), seed, val_share, layout, task, clean_label, context.args, bit_depth
    )
    settings = replace(settings, merge_labels=merge_labels, stress_frames=stress_frames)
    own = ["--networks", networks, "--rule", rule, "--val-share", f"{val_share:g}"]
    own += [word for text in set_ or [] for word in ("--set", text)]
    own += _stress_words(stress_frames)
    finish(_compare(replace(settings, command=_command("compare", settings, own))), json_file)


def _cross_validate(settings: CrossvalSettings) -> Outcome:
    from stripwatch.training.experiments.crossval import cross_validate, summarize
    from stripwatch.training.novelty.report import novelty_tables
    from stripwatch.training.stress.report import strengths_table

    with hint_if_interrupted(_how_to_continue):
        result = cross_validate(settings)
    out, report = settings.out, settings.out / "report.html"
    head = {"out": str(out), "folds": settings.folds, "seed": settings.seed}
    step = _command("fit", replace(settings, out=out.parent / f"{out.name}-final"), [])
    summary = {**head, **summarize(result), "report": str(report)}
    counted = with_counts(summary, read_run(out / "fold-1").files, _crossval_facts(result))
    tables = [_folds(result), *novelty_tables(result.novelty)]
    tables += [strengths_table(result.stress)] if result.stress else []
    return Outcome(*counted, tables, [step], {"report": report})


def _compare(settings: CompareSettings) -> Outcome:
    from stripwatch.training.experiments.compare import compare as run_compare
    from stripwatch.training.experiments.leaderboard import to_table

    with hint_if_interrupted(_how_to_continue):
        board = run_compare(settings)
    out = settings.out
    counted = with_counts(_board_summary(out, board), read_run(out / board.winner).files, _board_facts(board))
    return Outcome(*counted, [to_table(board)], [_use_winner(out, board)], {"report": out / "report.html"})


def _how_to_continue() -> str:
    return f"; finished fits are kept, continue with: {given_command()}"


def _command(name: str, settings: CrossvalSettings | CompareSettings, own: Sequence[str | Path]) -> str:
    """Return the command line of an experiment, or of a fit with its options. own: further options."""
    words = [] if settings.seed == 0 else ["--seed", str(settings.seed)]
    words += [] if settings.layout == "auto" else ["--layout", settings.layout]
    words += [] if settings.task == "multiclass" else ["--task", settings.task]
    if settings.clean_label is not None:
        words += ["--clean-label", settings.clean_label]
    if settings.bit_depth is not None:
        words += ["--bit-depth", str(settings.bit_depth)]
    words += ["--merge-labels"] if settings.merge_labels else []
    return command_text("train", name, "--data", settings.data, *own, *words, *settings.flags, "--out", settings.out)


def _stress_words(frames: int) -> list[str]:
    return ["--stress-frames", str(frames)] if frames else []


def _crossval_facts(result: CrossvalResult) -> dict[str, str]:
    from stripwatch.training.novelty.report import novelty_facts

    facts = {
        "frames": f"{result.frames:,}, of which {result.errors:,} are wrong",
        "accuracy": interval_text(rounded(result.accuracy)),
        "macro-F1": interval_text(rounded(result.macro_f1)) if result.macro_f1 else "- (no frame has a label)",
    }
    return facts | (novelty_facts(result.novelty) if result.novelty else {})


def _folds(result: CrossvalResult) -> Table:
    table = numbers_table("fold", "frames", "wrong", "accuracy", "95 % from", "to")
    for fold in result.folds:
        limits = (fold.accuracy.value, fold.accuracy.low, fold.accuracy.high)
        table.add_row(fold.run, f"{fold.frames:,}", f"{fold.errors:,}", *(f"{limit:.4f}" for limit in limits))
    return table


def _board_summary(out: Path, board: Leaderboard) -> dict[str, Any]:
    return {
        "out": str(out),
        "rule": board.rule,
        "winner": board.winner,
        "front": board.front,
        "accuracy": {entry.name: rounded(entry.accuracy) for entry in board.entries},
        "frames_per_second": {entry.name: entry.frames_per_second for entry in board.entries},
        "report": str(out / "report.html"),
    }


def _board_facts(board: Leaderboard) -> dict[str, str]:
    facts = {"winner": f"{board.winner}, by the rule {board.rule}"}
    if board.front:
        facts["Pareto front (*)"] = ", ".join(board.front)
    return facts


def _use_winner(out: Path, board: Leaderboard) -> str:
    """Return the next step: check the bundle of the winner, or if its export failed, evaluate its run."""
    bundle = out / f"{board.winner}.onnx"
    if bundle.exists():
        return command_text("check", "--bundle", bundle)
    return command_text("train", "evaluate", out / board.winner)


def _only(data: list[Path]) -> Path:
    """Return the only data folder. Raises SettingsError for several, of which all but the last would be ignored."""
    if len(data) > 1:
        raise SettingsError("--data is given more than once; crossval and compare take one folder, fit takes several")
    return data[0]


setattr(crossval, COMMAND_CLASS, ClassCommand)
setattr(compare, COMMAND_CLASS, ClassCommand)
