"""`python -m tests.faults`: see --help."""

import json
import signal
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.apache import NEWEST, OLDEST, KafkaUnavailableError
from tests.faults.judge import DELIVERIES
from tests.faults.kinds import FAULTS
from tests.faults.plan import make_plan
from tests.faults.report import summary, table
from tests.faults.series import VERSIONS, SeriesError, open_series
from tests.faults.silence import BEYOND_S_MAX
from tests.provenance import describe_run

BROKEN, NOT_PROVED = 1, 4


def main(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; each has its own faults.")] = 20,
    frames: Annotated[int, typer.Option(min=10, help="Frames a seed. A fault comes with about every 100th.")] = 1000,
    first: Annotated[int, typer.Option(min=0, help="The first seed; with --seeds 1 that seed alone.")] = 0,
    delivery: Annotated[
        Literal["at-least-once", "exactly-once", "both"], typer.Option(help="What is promised.")
    ] = "both",
    fault: Annotated[
        list[str] | None, typer.Option(help="Only this fault, by its name in the table; may be given more than once.")
    ] = None,
    beyond_s_max: Annotated[
        float,
        typer.Option(help="How much longer than Kafka needs a partition may be silent; more on a busy machine."),
    ] = BEYOND_S_MAX,
    kafka: Annotated[
        str,
        typer.Option(
            help=f"Version of every broker: {OLDEST} or {NEWEST}. Else one broker is {OLDEST}, three {NEWEST}."
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for plans, logs and verdicts. One that has verdicts is continued.")
    ] = None,
) -> None:
    """Hurt workers and brokers while frames run, and count every frame.

    Real Apache Kafka (one broker; in every fourth seed three), 1 to 3 workers, numbered frames (6 % of them corrupted),
    and more that trickle in. A seed kills, stops and pauses workers, lets their clocks jump, stops and kills brokers,
    fills their disk, cuts, slows and mutes connections, recreates and extends the topic, sends frames that are legal
    and monstrous, and replaces the model. A fault counts only if its victim had frames in flight, by the worker's own
    metric. Afterwards all topics are read (read_committed) and counted: lost, repeated, out of order, wrong model. A
    partition that was silent for longer than Kafka needs breaks a promise too, unless a plain consumer beside the
    workers was silent as well. One broker is an older Kafka: alone, Kafka 4.4.0 loses what it has committed.

    Exit code 1: a promise is broken; `--seeds 1 --first SEED` runs that seed again. 4: something was not proved, since
    the harness itself failed or the machine was too busy; the same command with the same --out tries what failed again.
    summary.json and tables.md in the folder hold what is printed at the end.

    Example: python -m tests.faults --seeds 2 --frames 300 --delivery at-least-once
    """
    _check_options(fault or (), kafka)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOT_PROVED))  # in order: no worker and no broker is left behind
    folder = out or Path(tempfile.mkdtemp(prefix="stripwatch-faults-"))
    try:
        series = open_series(
            folder, frames, fault or (), beyond_s_max, dict.fromkeys(VERSIONS, kafka) if kafka else VERSIONS
        )
    except SeriesError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    print(f"plans, logs and histories: {folder}", file=sys.stderr)
    chosen = DELIVERIES if delivery == "both" else (delivery,)
    about = describe_run()
    plans = [make_plan(seed, frames, fault or ()) for seed in range(first, first + seeds)]
    try:
        series.run(plans, chosen)
    except (KafkaUnavailableError, BrokerUnavailableError) as error:
        series.failures.append(str(error))
    finally:  # also when it was stopped: what was counted was counted
        found = summary(series.verdicts, series.failures, len(series.left(plans, chosen)))
        _write_results(folder, about, found, table(series.verdicts))
    for failure in series.failures:
        print(f"error: {failure}", file=sys.stderr)
    if series.verdicts:
        print(json.dumps(found))
    broken = any(verdict.broken for verdict in series.verdicts)
    raise typer.Exit(BROKEN if broken else 0 if found["kept"] else NOT_PROVED)


def _check_options(faults: Collection[str], kafka: str) -> None:
    if unknown := set(faults) - FAULTS.keys():
        known = "\n".join(FAULTS)
        raise typer.BadParameter(f"unknown fault {sorted(unknown)[0]!r}; there are:\n{known}", param_hint="--fault")
    if kafka not in ("", OLDEST, NEWEST):
        raise typer.BadParameter(f"the harness knows {OLDEST} and {NEWEST}, not {kafka!r}", param_hint="--kafka")


def _write_results(folder: Path, about: Mapping[str, Any], found: Mapping[str, Any], tables: str) -> None:
    """summary.json and tables.md; the tables also on stderr."""
    run = {**about, "until": describe_run()["date"]}
    (folder / "summary.json").write_text(json.dumps({"run": run, **found}, indent=1))
    (folder / "tables.md").write_text(tables + "\n")
    print(tables, file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
