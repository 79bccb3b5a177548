"""Options of `stripwatch train collect`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.worker.config.command_line.cli_options import servers_option, topic_option

CollectedFolder = Annotated[
    Path, typer.Option(help="Folder of collected frames. It is created, or new frames are added.")
]
FetchFrom = Annotated[
    str,
    typer.Option(help="Fetch new frames from these Kafka brokers: HOST:PORT[,HOST:PORT...].", callback=servers_option),
]
HandTo = Annotated[
    Literal["label-studio", "coco"] | None,
    typer.Option(
        "--to",
        help="Hand the frames that need a label to a labelling tool, with the boxes and scores of the model.",
    ),
]
TakeFrom = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Take labels and boxes back from an export of the tool: JSON or JSON-MIN of Label Studio, or COCO.",
    ),
]
Again = Annotated[
    bool,
    typer.Option("--again", help="With --to: include frames that the tool got before and that still have no label."),
]
ImageUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="With --to label-studio: address at which Label Studio finds the folder of images, up to the file "
        "name. Default: its local files, with OUT as document root.",
    ),
]
Sorted = Annotated[
    bool,
    typer.Option("--sorted", help="Accept the folders in _unsorted as labels, after you have sorted all frames."),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take labels from a CSV file with the columns id and label."),
]
NewLabels = Annotated[bool, typer.Option("--new-labels", help="Also accept labels that the model does not know.")]
NewFramesMax = Annotated[int, typer.Option(min=0, help="Maximum number of new frames. 0 sets no limit.")]
NoDefect = Annotated[
    str,
    typer.Option(
        metavar="LABEL",
        help="Label for frames that a person called not a defect on the live page, if their model has no label for "
        "that, and with --from for frames without label and boxes. Without it, such frames are not used.",
    ),
]
OnlyNovel = Annotated[
    bool,
    typer.Option(
        "--only-novel",
        help="Fetch only novel frames, which the model was not trained on, and defects of an anomaly model.",
    ),
]
ReviewTopic = Annotated[str, typer.Option(help="Kafka topic with the review frames.", callback=topic_option)]
