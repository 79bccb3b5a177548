"""`python -m tests.faults`: see --help."""

import json
import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.apache import KafkaUnavailableError
from tests.faults.history import HistoryError
from tests.faults.judge import DELIVERIES, Delivery
from tests.faults.kafka import Kafka, proxied_kafka
from tests.faults.plan import WORKERS_MAX
from tests.faults.play import HarnessError
from tests.faults.report import summary, table
from tests.faults.run import Verdict, run_seed

BROKEN, NOT_PROVED = 1, 4


def main(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; each has its own faults.")] = 20,
    frames: Annotated[int, typer.Option(min=10, help="Frames a seed. A fault comes with about every 100th.")] = 1000,
    first: Annotated[int, typer.Option(min=0, help="The first seed; with --seeds 1 that seed alone.")] = 0,
    delivery: Annotated[
        Literal["at-least-once", "exactly-once", "both"], typer.Option(help="What is promised.")
    ] = "both",
    out: Annotated[Path | None, typer.Option(help="Folder for plans, logs and histories; must not be there.")] = None,
) -> None:
    """Hurt workers and broker while frames run, and count every frame.

    Real Apache Kafka, 1 to 3 workers, numbered frames (6 % of them corrupted). At random moments a seed kills, stops
    and pauses workers, stops and kills the broker, cuts, slows and mutes connections, and replaces the model. A fault
    counts only if its victim had frames in flight, by the worker's own metric. Afterwards all topics are read
    (read_committed) and counted: lost, repeated, out of order, wrong model.

    Exit code 1: a promise is broken; `--seeds 1 --first SEED` runs that seed again. 4: nothing was proved.

    Example: python -m tests.faults --seeds 2 --frames 300 --delivery at-least-once
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOT_PROVED))  # in order: no worker and no broker is left behind
    if out is not None and out.exists():
        raise typer.BadParameter(f"{out} is there already; name a new folder", param_hint="--out")
    folder = out or Path(tempfile.mkdtemp(prefix="stripwatch-faults-"))
    print(f"plans, logs and histories: {folder}", file=sys.stderr)
    chosen = DELIVERIES if delivery == "both" else (delivery,)
    verdicts: list[Verdict] = []
    failure: Exception | None = None
    try:
        with proxied_kafka(WORKERS_MAX) as kafka:
            _run(kafka, range(first, first + seeds), frames, chosen, folder, verdicts)
    except (KafkaUnavailableError, BrokerUnavailableError, HarnessError, HistoryError) as error:
        failure = error
    finally:  # also when it was stopped: what was counted was counted
        print(table(verdicts), file=sys.stderr)
    if failure is not None:
        print(f"error: {failure}", file=sys.stderr)
        raise typer.Exit(NOT_PROVED) from failure
    print(json.dumps(summary(verdicts)))
    raise typer.Exit(BROKEN if any(verdict.broken for verdict in verdicts) else 0)


def _run(
    kafka: Kafka,
    seeds: Sequence[int],
    frames: int,
    deliveries: Iterable[Delivery],
    folder: Path,
    verdicts: list[Verdict],
) -> None:
    """Each verdict is added as it comes."""
    for delivery in deliveries:
        for seed in seeds:
            own = folder / f"{delivery}-{seed}"
            verdict = run_seed(kafka, seed, frames, delivery, own)
            verdicts.append(verdict)
            said = f"BROKEN: {', '.join(verdict.broken)}; see {own}" if verdict.broken else "kept"
            print(f"{delivery} seed {seed}: {verdict.seconds:g} s, {verdict.strikes} faults, {said}", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
