"""Options that several commands have in common: what the data is, and what is learned of it."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.export.runs.run_folder import Task

Data = Annotated[list[Path], typer.Option(help="Folder of image files, read with all its subfolders.")]
Layout = Annotated[
    str,
    typer.Option(
        help="How the data lies: auto, prefix (CLASS_NUMBER.jpg or .bmp), folder, manifest, severstal or collected."
    ),
]
TaskOption = Annotated[
    Task, typer.Option("--task", help="multiclass: one label a frame. multilabel: any number of labels.")
]
ValShare = Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of each class for validation.")]
CleanLabel = Annotated[str | None, typer.Option(help="The label that means: no defect.")]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth",
        help="Significant bits of 16-bit files that do not declare them, 9 to 16, such as 12 for a 12-bit camera.",
    ),
]
