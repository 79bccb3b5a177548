"""`stripwatch train collect`: from frames that a line was unsure of to a training set."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.console import print_summary, say
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.config.cli_options import SecurityConfig
from stripwatch.worker.contracts import topics


def collect(
    out: Annotated[Path, typer.Option(help="The folder of collected frames: made, or added to.")],
    bootstrap_servers: Annotated[
        str, typer.Option(help="Fetch new frames from these Kafka brokers, HOST:PORT[,HOST:PORT...].")
    ] = "",
    sorted_: Annotated[
        bool, typer.Option("--sorted", help="All of _unsorted was looked at: its folders are the labels.")
    ] = False,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Or take labels from a CSV: id,label.")] = None,
    new_labels: Annotated[
        bool, typer.Option("--new-labels", help="Also take labels that the model does not know.")
    ] = False,
    frames_max: Annotated[int, typer.Option(min=0, help="Largest number of new frames; 0 sets no limit.")] = 10_000,
    review_topic: Annotated[str, typer.Option(help="The topic with the frames.")] = topics.REVIEW,
    config: SecurityConfig = None,
) -> None:
    """Turn frames that the model was unsure of into a training set, in two steps.

    First fetch them. They lie in OUT/_unsorted, in the folder of what the model took them for; collected.csv says where
    each came from. Again: what is new is added, what was moved or removed stays so.

        stripwatch train collect --bootstrap-servers localhost:9092 --out review

    Then look: drag what is wrong into another folder of _unsorted, what is no use into _unsorted/_skip. And say so:

        stripwatch train collect --out review --sorted

    or let a table say it: collect --out review --labels labels.csv. Then learn from both, old and new:

        stripwatch train fit --data images --data review ... --out runs/next

    Training decodes frames of up to 36,000,000 bytes and 36,000,000 pixels, the default limits of the worker. Where
    the settings of a line allow more, collect counts a larger raw buffer as unreadable, and fit refuses a larger file.

    SIGTERM and Ctrl-C end the fetching in order. The last line on stdout is JSON.
    """
    if [bool(bootstrap_servers), sorted_, labels is not None].count(True) != 1:
        raise SettingsError("collect takes one of --bootstrap-servers (fetch), --sorted and --labels FILE (label)")
    if bootstrap_servers:
        _fetch(out, bootstrap_servers, frames_max, review_topic, config)
        return
    from stripwatch.training.labeling.sort_frames import accept_sorted, label_from

    print_summary(accept_sorted(out, new_labels) if labels is None else label_from(labels, out, new_labels))


def _fetch(out: Path, bootstrap_servers: str, frames_max: int, topic: str, config: Path | None) -> None:
    from stripwatch.training.labeling.collect import Collector
    from stripwatch.worker.broker.connection import ClientConfig
    from stripwatch.worker.broker.topic_drain import open_drain
    from stripwatch.worker.common.clock import SystemClock
    from stripwatch.worker.config.cli_options import security_of

    clock, collector = SystemClock(), Collector(out, frames_max)
    client = ClientConfig(bootstrap_servers, security_of(config))
    with (
        stop_on_signal(clock.stop),
        open_drain(client, topic, "collecting", lambda: clock.stopped) as records,
    ):
        collector.collect(records)
    if collector.full:
        say(f"stopped at --frames-max {frames_max}: the same command continues from there")
    print_summary(collector.summary() | {"topic": topic})
