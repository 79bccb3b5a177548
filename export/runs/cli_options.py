"""Options and arguments shared by several commands of export and training."""

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder written by `stripwatch train fit`.")]
MovedData = Annotated[
    Path | None,
    typer.Option("--data", help="Current location of the run's data folder. Default: the location stored in the run."),
]
BundleArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Bundle file, or REGISTRY/NAME.")]
