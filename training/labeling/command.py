"""Command `stripwatch train collect`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.worker.common.terminal.outcome import JsonFile, finish
from stripwatch.worker.config.command_line.cli_options import (
    SecurityConfig,
    SecuritySet,
    security_of,
    servers_option,
    topic_option,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.contracts import topics


@settings_as_options
def collect(
    out: Annotated[Path, typer.Option(help="Folder of collected frames. It is created, or new frames are added.")],
    bootstrap_servers: Annotated[
        str,
        typer.Option(
            help="Fetch new frames from these Kafka brokers: HOST:PORT[,HOST:PORT...].", callback=servers_option
        ),
    ] = "",
    to: Annotated[
        Literal["label-studio", "coco"] | None,
        typer.Option(
            "--to",
            help="Hand the frames that need a label to a labelling tool, with the boxes and scores of the model.",
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take labels and boxes back from an export of the tool: JSON or JSON-MIN of Label Studio, or COCO.",
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="With --to: include frames that the tool got before and that still have no label."
        ),
    ] = False,
    image_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="With --to label-studio: address at which Label Studio finds the folder of images, up to the file "
            "name. Default: its local files, with OUT as document root.",
        ),
    ] = "",
    sorted_: Annotated[
        bool,
        typer.Option("--sorted", help="Accept the folders in _unsorted as labels, after you have sorted all frames."),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take labels from a CSV file with the columns id and label."),
    ] = None,
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="Also accept labels that the model does not know.")
    ] = False,
    frames_max: Annotated[int, typer.Option(min=0, help="Maximum number of new frames. 0 sets no limit.")] = 10_000,
    no_defect: Annotated[
        str,
        typer.Option(
            metavar="LABEL",
            help="Label for frames that a person called not a defect on the live page, if their model has no label for "
            "that, and with --from for frames without label and boxes. Without it, such frames are not used.",
        ),
    ] = "",
    only_novel: Annotated[
        bool,
        typer.Option(
            "--only-novel",
            help="Fetch only novel frames, which the model was not trained on, and defects of an anomaly model.",
        ),
    ] = False,
    review_topic: Annotated[
        str, typer.Option(help="Kafka topic with the review frames.", callback=topic_option)
    ] = topics.REVIEW,
    config: SecurityConfig = None,
    security: SecuritySet = None,
    json_file: JsonFile = None,
) -> None:
    """Collect frames that the model was unsure of and turn them into a training set.

    The worker also sends defects of an anomaly model, which have no class yet.

    1. Fetch the review frames from Kafka. They are stored in OUT/_unsorted/LABEL, where LABEL is the label predicted by
    the model; collected.csv records where each frame came from. Repeating the command adds new frames only; frames that
    you have moved or removed are left alone. Novel frames, which the model was not trained on, and defects of an
    anomaly model are stored in OUT/_unsorted/_novel, because no class of the model may fit. Frames that a person
    confirmed or corrected on the live page are stored in OUT/LABEL, with the label of the person, and need no sorting.

        stripwatch train collect --bootstrap-servers localhost:9092 --out review

    2. Check the frames. Move wrongly labelled ones, and all in _unsorted/_novel, to the right folder in _unsorted, and
    useless ones to _unsorted/_skip. For a new kind of defect, create a folder with its name and add --new-labels. Then
    accept the folders as labels:

        stripwatch train collect --out review --sorted

    Alternatively, take the labels from a table:

        stripwatch train collect --out review --labels labels.csv

    Or label them in Label Studio, CVAT or another tool, which gets the label, scores and boxes of the model:

        stripwatch train collect --out review --to label-studio

    Then take back what people corrected. Boxes are kept in OUT/boxes.json, which fit reads with --head dense:

        stripwatch train collect --out review --from export.json

    3. Retrain on the old and the new data:

        stripwatch train fit --data images --data review ... --out runs/next

    Training decodes frames of up to 36,000,000 bytes and 36,000,000 pixels, the default limits of the worker. If the
    worker settings allow more, collect counts larger raw buffers as unreadable, and fit rejects larger files.

    SIGTERM and Ctrl-C stop fetching cleanly.
    """
    from stripwatch.training.labeling.fetch import FetchSettings
    from stripwatch.training.labeling.steps import Steps
    from stripwatch.worker.broker.connection import ClientConfig

    fetch = None
    if bootstrap_servers:
        client = ClientConfig(bootstrap_servers, security_of(config, security))
        fetch = FetchSettings(client, review_topic, frames_max, no_defect, only_novel)
    steps = Steps(
        *(out, fetch, to, again, image_url, from_, sorted_, labels, new_labels),
        no_defect=no_defect,
        only_novel=only_novel,
    )
    finish(steps.run(), json_file)
