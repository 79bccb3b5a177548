"""Options and arguments that several commands of export and training have in common."""

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that training wrote.")]
MovedData = Annotated[Path | None, typer.Option("--data", help="Where the data folder of the run is now, if it moved.")]
BundleArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A bundle, or STORE/NAME.")]
