"""`stripwatch train survey`: what it takes, and the summary it ends with."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.export.runs.lazy_imports import require
from stripwatch.training.datasets.cli_options import Layout
from stripwatch.worker.common.console import print_summary, say

_NAMED_MAX = 5  # of unreadable files, on stderr; survey.json names all


def survey(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder for survey.json and a contact sheet of each class.")] = None,
    layout: Layout = "auto",
) -> None:
    """Say what a data set holds: class balance, image sizes, copies, files that cannot be read.

    bit_depths says how many bits the samples have and use; fit_needs, what to pass to fit because no file declares it.

    Copies are files with the same pixels, and those that are nearly the same: brighter, smaller or compressed again.
    The lists of their names stand in survey.json.

    \b
    Example:
      stripwatch train survey images/ --out survey
    """
    require("matplotlib", "scipy")
    from stripwatch.training.survey.report import summarize, write_survey
    from stripwatch.training.survey.survey import survey as run_survey

    found = run_survey(data, layout)
    if out is not None:
        write_survey(found, out)
    for sentence in found.unreadable[:_NAMED_MAX]:
        say(sentence)
    if found.bit_depth is not None:
        say(
            f"16-bit files use only {found.bits_used} bits, and nothing declares their depth: pass the depth of the "
            f"camera to fit, which looks like --bit-depth {found.bit_depth}"
        )
    print_summary(summarize(found))
