"""Command `stripwatch train survey`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from stripwatch.export.runs.lazy_imports import require
from stripwatch.training.datasets.cli_options import BoxesFormat, Layout, MergeLabels
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.facts import as_text
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.common.terminal.tables import numbers_table
from stripwatch.worker.contracts.model.clean_labels import likely_clean

if TYPE_CHECKING:
    from stripwatch.training.survey.survey import Survey

_NAMED_MAX = 5  # unreadable files listed on stderr; survey.json lists all


def survey(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data folder.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for survey.json and one contact sheet per class. Default: write no files."),
    ] = None,
    layout: Layout = "auto",
    merge_labels: MergeLabels = False,
    boxes: Annotated[
        Path | None,
        typer.Option(help="Boxes, polygons or masks to check: a folder with annotation files, or one file."),
    ] = None,
    boxes_format: BoxesFormat = "auto",
    json_file: JsonFile = None,
) -> None:
    """Report on a data set: class balance, image sizes, duplicates and unreadable files.

    Duplicates are files with identical pixels ("same"), and files that are nearly identical ("similar"): brighter,
    smaller or compressed again. survey.json lists their names.

    "bit_depths" reports how many bits the samples have and use. "fit_needs" is the --bit-depth option to pass to fit if
    the files do not declare their depth.

    \b
    Example:
      stripwatch train survey images/ --out survey
    """
    require("matplotlib", "scipy")
    from stripwatch.training.survey.report import summarize, write_survey
    from stripwatch.training.survey.survey import survey as run_survey

    require_outside("--out", out, [data])
    report = run_survey(data, layout, merge_labels, boxes, boxes_format)
    if out is not None:
        write_survey(report, out)
    for message in report.unreadable[:_NAMED_MAX]:
        say(message)
    for warning in report.warnings:
        if warning not in report.dataset.notes:
            say(warning)
    if report.bit_depth is not None:
        say(
            f"16-bit files use only {report.bits_used} bits and do not declare their depth; pass the bit depth of the "
            f"camera to fit, probably --bit-depth {report.bit_depth}"
        )
    summary = summarize(report)
    files = {} if out is None else {"survey": out / "survey.json", "contact sheets": out}
    facts = _facts(summary) | {"files": report.dataset.files.text}
    step = _fit_command(data, layout, merge_labels, report)
    finish(Outcome(summary, facts, [_classes(report)], [step], files), json_file)


def _facts(summary: dict[str, Any]) -> dict[str, str]:
    """Return the table for people: what every data set has, and what is unusual in this one."""
    facts = {
        "data": f"{summary['data']}, layout {summary['layout']}",
        "images": f"{summary['images']:,}",
        "sizes": as_text(summary["sizes"]),
        "bits per sample": ", ".join(f"{group['used']}: {group['images']:,}" for group in summary["bit_depths"]),
        "duplicates": f"{summary['same']:,} identical, {summary['similar']:,} nearly identical",
    }
    if summary["annotations"] is not None:
        facts["annotations"] = "{images:,} images, {boxes:,} boxes, {masks:,} masks, format {format}".format(
            **summary["annotations"]
        )
    unusual = {
        "duplicates with different labels": summary["disputed"],
        "images with several labels": summary["several_labels"],
        "coils": summary["coils"],
        "unreadable": summary["unreadable"],
        "class names that look alike": sum(map(len, summary["alike_labels"])),
    }
    return facts | {name: f"{count:,}" for name, count in unusual.items() if count}


def _classes(report: Survey) -> Table:
    table = numbers_table("class", "images", "share")
    for label, count in report.balance.items():
        table.add_row(label, f"{count:,}", f"{count / len(report.samples):.1%}")
    return table


def _fit_command(data: Path, layout: str, merge_labels: bool, report: Survey) -> str:
    """Return the command that trains a small network on the surveyed data, with the options that the data need."""
    words: list[str | Path] = ["--data", data]
    if layout != "auto":
        words += ["--layout", layout]
    if merge_labels:
        words += ["--merge-labels"]
    if clean := likely_clean(report.balance):
        words += ["--clean-label", clean[0]]
    if any(len(sample.labels) > 1 for sample in report.samples):
        words += ["--task", "multilabel"]
    if report.bit_depth is not None:
        words += ["--bit-depth", str(report.bit_depth)]
    words += ["--network", "mobilenet", "--alpha", "0.25", "--weights", "imagenet"]
    return command_text("train", "fit", *words, "--out", _new_folder(Path("runs", "first")))


def _new_folder(path: Path) -> Path:
    """Return the path, with a number if it is already there."""
    others = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], others) if not each.exists())
