"""`python -m tests.soak`: see --help."""

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
    """Markdown: a row for each model."""
    names = ("until, s", "frames", "waiting", "resident, MB", "threads", "files", "sockets")
    rows = [
        (span.until_s, span.sent, span.waiting_frames, *(asdict(span.held)[name] for name in asdict(span.held)))
        for span in soaked.spans
    ]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (names, ["---"] * len(names), *rows))


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to send frames.")] = 30.0,
    swap_s: Annotated[float, typer.Option(min=3.0, help="Seconds between two models.")] = 60.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for soak.json and table.md; without it a temporary one.")
    ] = None,
) -> None:
    """Let one worker run for long on Apache Kafka, and see whether it grows.

    It gets 80 % of the frames that it has just been seen to manage, and another model every minute. It has half of the
    cores for itself, and broker and sender the others. Its memory and the frames that wait are sampled every 5 s; the
    line through the samples from the fifth minute on (the median of all slopes between two) may rise by 5 % in all, and
    that of the frames that wait rise or fall by those of a second. No thread, file or socket may be left over.

    Exit code 1: it grew, or frames or models are missing. 4: nothing was measured.

    Example: python -m tests.soak --minutes 3 --swap-s 10
    """
    folder = out or Path(tempfile.mkdtemp(prefix="stripwatch-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"soak.json and table.md: {folder}", file=sys.stderr)
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
