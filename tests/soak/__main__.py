"""The command `python -m tests.soak`; see --help."""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.apache import KafkaUnavailableError, apache_broker, kafka_version
from tests.brokers.handle import BrokerHandle
from tests.provenance import describe_run
from tests.soak.feed import SenderTooSlowError
from tests.soak.held import pinned, split_cores
from tests.soak.soak import Soak, soak

SESSION_MS = 6_000


def table(soaked: Soak) -> str:
    """Return a Markdown table with one row per model."""
    names = ("elapsed, s", "frames sent", "waiting", "resident, MB", "threads", "files", "sockets")
    rows = [
        (span.until_s, span.sent, span.waiting_frames, *(asdict(span.held)[name] for name in asdict(span.held)))
        for span in soaked.spans
    ]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (names, ["---"] * len(names), *rows))


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="Duration of the load, in minutes.")] = 30.0,
    swap_s: Annotated[float, typer.Option(min=3.0, help="Seconds between model reloads.")] = 60.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for soak.json and table.md. Default: a temporary folder.")
    ] = None,
) -> None:
    """Run one worker on Apache Kafka for a long time, and check that its memory and lag do not grow.

    The test measures the worker's capacity, then sends frames at 80 % of it and replaces the model every minute. The
    worker has half of the cores; broker and sender share the others. Resident memory and waiting frames are sampled
    every 5 s. A line is fitted to the samples from the fifth minute on (median of all pairwise slopes). Over the whole
    time, the memory line may rise by at most 5 %, and the line of waiting frames may change by at most the frames of
    one second. The number of threads, open files and sockets must not grow.

    Exit code 0: passed. 1: the worker grew, or results or model reloads are missing. 4: nothing was measured.

    Example: python -m tests.soak --minutes 3 --swap-s 10
    """
    folder = out or Path(tempfile.mkdtemp(prefix="stripwatch-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"writing soak.json and table.md to {folder}", file=sys.stderr)
    about = describe_run() | {"Apache Kafka": kafka_version()}
    try:
        worker_cores, others = split_cores()
        with (
            pinned(others),
            apache_broker() as running,
            tempfile.TemporaryDirectory(prefix="stripwatch-soak-") as models,
        ):
            broker = BrokerHandle("apache", running.bootstrap_servers, SESSION_MS)
            soaked = soak(broker, Path(models), minutes, swap_s, worker_cores)
    except (KafkaUnavailableError, BrokerUnavailableError, SenderTooSlowError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(BrokerUnavailableError.exit_code) from error
    found = {"run": about, **asdict(soaked), "left_over": soaked.left_over, "sound": soaked.sound}
    (folder / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "table.md").write_text(table(soaked) + "\n")
    print(table(soaked), file=sys.stderr)
    print(json.dumps({name: value for name, value in found.items() if name != "spans"}))
    raise typer.Exit(0 if soaked.sound else 1)


if __name__ == "__main__":
    typer.run(main)
