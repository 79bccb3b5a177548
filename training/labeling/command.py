"""Command `stripwatch train collect`."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.facts import facts_of
from stripwatch.worker.common.terminal.file_counts import FileCounts, with_counts
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.config.command_line.cli_options import (
    SecurityConfig,
    SecuritySet,
    security_of,
    servers_option,
    topic_option,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.config.security import Security
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
            "that. Without it, such frames are not used for training.",
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

    3. Retrain on the old and the new data:

        stripwatch train fit --data images --data review ... --out runs/next

    Training decodes frames of up to 36,000,000 bytes and 36,000,000 pixels, the default limits of the worker. If the
    worker settings allow more, collect counts larger raw buffers as unreadable, and fit rejects larger files.

    SIGTERM and Ctrl-C stop fetching cleanly.
    """
    if [bool(bootstrap_servers), sorted_, labels is not None].count(True) != 1:
        raise SettingsError(
            "collect needs exactly one of --bootstrap-servers (fetch), --sorted and --labels FILE (label)"
        )
    from stripwatch.training.datasets.reviewed_folder import may_be_folder

    if no_defect and not (bootstrap_servers and may_be_folder(no_defect)):
        raise SettingsError(
            f"--no-defect {no_defect!r} must be the name of a folder that does not begin with '.' or '_', and is used "
            "with --bootstrap-servers only"
        )
    if only_novel and not bootstrap_servers:
        raise SettingsError("--only-novel selects frames to fetch; use it with --bootstrap-servers")
    if bootstrap_servers:
        selection = (frames_max, no_defect, only_novel)
        found = _fetch(out, bootstrap_servers, selection, review_topic, security_of(config, security))
        step = command_text("train", "collect", "--out", out, "--sorted")
        note = {"then": f"check the frames in {path_text(out / '_unsorted')}: move wrong ones to the right folder"}
        if found["novel"]:
            note["novel frames"] = (
                f"sort those in {path_text(out / '_unsorted' / '_novel')}; for a new kind of defect, create a folder "
                "with its name and add --new-labels to the next command"
            )
        finish(Outcome(found, facts_of(found) | note, next_steps=[step]), json_file)
        return
    from stripwatch.training.labeling.sort_frames import accept_sorted, label_from

    done = accept_sorted(out, new_labels) if labels is None else label_from(labels, out, new_labels)
    counted = with_counts(done, msgspec.convert(done["file_counts"], FileCounts))
    finish(Outcome(*counted, next_steps=[command_text("train", "survey", out)]), json_file)


def _fetch(
    out: Path, bootstrap_servers: str, selection: tuple[int, str, bool], topic: str, security: Security
) -> dict[str, Any]:
    """Fetch new frames. selection: values of --frames-max, --no-defect and --only-novel."""
    from stripwatch.training.labeling.collect import Collector
    from stripwatch.worker.broker.connection import ClientConfig
    from stripwatch.worker.broker.topic_drain import open_drain
    from stripwatch.worker.common.clock import SystemClock

    clock, collector = SystemClock(), Collector(out, *selection)
    client = ClientConfig(bootstrap_servers, security)
    with (
        stop_on_signal(clock.stop),
        open_drain(client, topic, "collecting", lambda: clock.stopped) as records,
    ):
        collector.collect(records)
    if collector.full:
        say(f"stopped at --frames-max {selection[0]}; run the same command again to continue")
    return collector.summary() | {"topic": topic}
