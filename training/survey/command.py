"""Command `stripwatch train survey`."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from stripwatch.export.runs.lazy_imports import require
from stripwatch.training.datasets.cli_options import BitDepth, BoxesFormat, CleanLabel, Layout, MergeLabels, ValShare
from stripwatch.training.preparation.finding_kinds import LEVELS
from stripwatch.training.survey import cli_options as options
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.facts import as_text
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.common.terminal.tables import numbers_table

if TYPE_CHECKING:
    from stripwatch.training.preparation.finding import Finding
    from stripwatch.training.survey.survey import Survey, SurveySettings


def survey(
    data: options.DataArgument,
    out: options.SurveyFolder = None,
    layout: Layout = "auto",
    merge_labels: MergeLabels = False,
    boxes: options.Boxes = None,
    boxes_format: BoxesFormat = "auto",
    bit_depth: BitDepth = None,
    task: options.TaskOption = None,
    clean_label: CleanLabel = None,
    val_share: ValShare = 0.2,
    split: options.Split = None,
    test: options.TestImages = None,
    fail_on: options.FailOnOption = "never",
    json_file: JsonFile = None,
) -> None:
    """Report on a data set: class balance, image sizes, duplicates, unreadable files, and everything to correct.

    Each finding is an error, a warning or a note. "stripwatch train fit" refuses the data for the same errors and
    repeats the warnings. docs/reference/findings.md lists all kinds of findings.

    Duplicates are files with identical pixels ("same"), and files that are nearly identical ("similar"): brighter,
    smaller or compressed again. survey.json lists their names, and all files of each finding.

    "bit_depths" reports how many bits the samples have and use. "fit_needs" is the --bit-depth option to pass to fit if
    the files do not declare their depth.

    \b
    Example:
      stripwatch train survey images/ --out survey
      stripwatch train survey images/train --test images/test --fail-on error
    """
    require("matplotlib", "scipy")
    from stripwatch.training.survey.report import PAGE_FILE, summarize, write_survey
    from stripwatch.training.survey.survey import SurveySettings, run_survey

    require_outside("--out", out, [each for each in (data, boxes, test) if each is not None])
    settings = SurveySettings(
        data, layout, merge_labels, boxes, boxes_format, bit_depth, clean_label, val_share, split, test, task
    )
    report = run_survey(settings)
    if out is not None:
        write_survey(report, out)
    summary = summarize(report)
    files = {} if out is None else {"page": out / PAGE_FILE, "survey": out / "survey.json", "contact sheets": out}
    facts = _facts(summary) | {"files": report.files.text, "findings": _counts(report.findings)}
    refused = any(finding.level == "error" for finding in report.findings)
    steps = [] if refused else [_fit_command(settings, report)]
    notes = [finding.line for finding in report.findings]
    finish(Outcome(summary, facts, [_classes(report)], steps, files, notes=notes), json_file)
    _fail(report.findings, fail_on)


def _counts(findings: list[Finding]) -> str:
    counts = Counter(finding.level for finding in findings)
    return ", ".join(f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS)


def _fail(findings: list[Finding], fail_on: options.FailOn) -> None:
    """Raise DataError if there are findings of the level or a worse one."""
    if fail_on == "never":
        return
    serious = [finding for finding in findings if finding.level in LEVELS[: LEVELS.index(fail_on) + 1]]
    if serious:
        codes = ", ".join(dict.fromkeys(finding.code for finding in serious))
        raise DataError(f"the survey has {_counts(serious)} ({codes}), and --fail-on is {fail_on}")


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


def _fit_command(settings: SurveySettings, report: Survey) -> str:
    """Return the command that trains a small network on the surveyed data, with the options that the data need."""
    words: list[str | Path] = ["--data", settings.data]
    if settings.layout != "auto":
        words += ["--layout", settings.layout]
    if settings.merge_labels:
        words += ["--merge-labels"]
    if report.clean_label is not None:
        words += ["--clean-label", report.clean_label]
    several = any(len(sample.labels) > 1 for sample in report.samples)
    if task := settings.task or ("multilabel" if several else None):
        words += ["--task", task]
    if bit_depth := settings.bit_depth or report.bit_depth:
        words += ["--bit-depth", str(bit_depth)]
    words += ["--network", "mobilenet", "--alpha", "0.25", "--weights", "imagenet"]
    return command_text("train", "fit", *words, "--out", _new_folder(Path("runs", "first")))


def _new_folder(path: Path) -> Path:
    """Return the path, with a number if it is already there."""
    others = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], others) if not each.exists())
