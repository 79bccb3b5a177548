"""Command `stripwatch train survey`."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.export.runs.lazy_imports import require
from stripwatch.training.datasets.cli_options import Layout
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.console import print_summary, say

_NAMED_MAX = 5  # unreadable files listed on stderr; survey.json lists all


def survey(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data folder.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for survey.json and one contact sheet per class. Default: write no files."),
    ] = None,
    layout: Layout = "auto",
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
    report = run_survey(data, layout)
    if out is not None:
        write_survey(report, out)
    for message in report.unreadable[:_NAMED_MAX]:
        say(message)
    if report.bit_depth is not None:
        say(
            f"16-bit files use only {report.bits_used} bits and do not declare their depth; pass the bit depth of the "
            f"camera to fit, probably --bit-depth {report.bit_depth}"
        )
    print_summary(summarize(report))
