"""Options of `stripwatch train frontier`."""

from pathlib import Path
from typing import Annotated

import typer

FrontierFolder = Annotated[
    Path,
    typer.Option(
        help="Folder for report.html, frontier.json, frontier.csv, frontier.png and the run of the recommended "
        "model. Run again with the same folder to continue, or with other goals to use its measurements again."
    ),
]
SearchedNetworks = Annotated[
    list[str],
    typer.Option(
        "--network",
        metavar="[NAME=]NETWORK[:KEY=VALUE,...]",
        help="Network to search, such as mobilenet:alpha=0.25,weights=FILE. The keys are the options alpha, weights "
        "and cut of fit. Layers after the cut are not tried; set it if the weights file ends there. Repeatable.",
    ),
]
WithinPoints = Annotated[
    float,
    typer.Option(
        min=0, max=100, help="Percentage points that the recommended model may be below the most accurate one."
    ),
]
RequiredCameras = Annotated[
    str | None,
    typer.Option(
        help="Cameras to inspect, such as '12 x 30 fps 256x1600'. The most accurate model that keeps up with them "
        "is recommended."
    ),
]
FramesPerSecond = Annotated[
    float | None,
    typer.Option(min=0.001, help="Frames to inspect per second, of the size of those of the data set. See --cameras."),
]
Cores = Annotated[
    int | None, typer.Option(min=1, help="Number of cores that inspect the frames. Default: those of this machine.")
]
Utilisation = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1,
        help="Largest share of the cores to use; the rest lets a worker catch up after an interruption.",
    ),
]
OtherMs = Annotated[
    float,
    typer.Option(
        min=0,
        help="Processor time per frame, in ms, of the other work of a worker, such as reading from Kafka and "
        "publishing results. It is added to decoding and inference.",
    ),
]
BudgetMinutes = Annotated[
    float,
    typer.Option(min=0.1, help="Time for the search in minutes, without the fit of the recommended model."),
]
InputSizes = Annotated[
    str,
    typer.Option(
        metavar="HxW,...", help="Input sizes to try. Default: up to the size that each network was published with."
    ),
]
TryInt8 = Annotated[bool, typer.Option("--int8/--no-int8", help="Also try 8-bit versions of the best candidates.")]
FitWinner = Annotated[bool, typer.Option("--fit/--no-fit", help="Fit the recommended model at the end.")]
ImagesMax = Annotated[
    int,
    typer.Option(
        min=20,
        help="Approximate maximum number of images that the search uses, with the same shares of labels as all images.",
    ),
]
SearchSeed = Annotated[
    int, typer.Option(min=0, help="Random seed of the folds, of the resampling, and of the fit at the end.")
]
