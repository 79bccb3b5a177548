"""Options of `stripwatch train evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

TestImages = Annotated[
    Path | None,
    typer.Option(help="Folder of test images to measure on. Default: the validation frames of the run."),
]
Recall = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=1,
        help="Recall that the `unsure` threshold of each label must reach. Default: choose the best F1 instead.",
    ),
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        help="Boxes, polygons or masks for measuring localization: a folder with annotation files, or one file. "
        "Default: those that fit used."
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder in which the features of all frames are kept for later evaluations."),
]
ReportFolder = Annotated[
    Path | None, typer.Option(help="Folder for report.html and its plots. Default: RUN/evaluation.")
]
