"""Options of `stripwatch train survey`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.export.runs.run_folder import FitTask

FailOn = Literal["never", "error", "warning"]

DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Data folder.")]
SurveyFolder = Annotated[
    Path | None,
    typer.Option(help="Folder for survey.html, survey.json and one contact sheet per class. Default: write no files."),
]
Boxes = Annotated[
    Path | None,
    typer.Option(help="Boxes, polygons or masks to check: a folder with annotation files, or one file."),
]
TaskOption = Annotated[
    FitTask | None,
    typer.Option(
        "--task",
        help="Kind of model that the data are for. Default: multilabel if an image has several labels, else "
        "multiclass.",
    ),
]
Split = Annotated[
    Path | None, typer.Option(help="run.json of a run whose split is checked. Default: the split that fit makes.")
]
TestImages = Annotated[
    Path | None, typer.Option(help="Folder of test images that should not be like images of the data set.")
]
FailOnOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on",
        help="End with exit code 7 if there are findings of this level or a worse one. never: end with 0 whatever "
        "the survey finds.",
    ),
]
