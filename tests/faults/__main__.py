"""The command `python -m tests.faults`; see --help."""

import json
import signal
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.apache import NEWEST, OLDEST, KafkaUnavailableError
from tests.faults.judge import DELIVERIES
from tests.faults.kinds import FAULTS
from tests.faults.plan import make_plan
from tests.faults.report import summary, table
from tests.faults.series import VERSIONS, Series, SeriesError, open_series
from tests.faults.silence import BEYOND_S_MAX
from tests.provenance import describe_run

BROKEN, NOT_PROVED = 1, 4


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds to run. Each seed has its own faults.")] = 20,
    frames: Annotated[int, typer.Option(min=10, help="Frames per seed. About one fault occurs per 100 frames.")] = 1000,
    first: Annotated[int, typer.Option(min=0, help="First seed. Use it with --seeds 1 to run a single seed.")] = 0,
    delivery: Annotated[
        Literal["at-least-once", "exactly-once", "both"], typer.Option(help="Delivery setting of the workers.")
    ] = "both",
    fault: Annotated[
        list[str] | None, typer.Option(help="Use only this fault, named as in the table. Can be repeated.")
    ] = None,
    beyond_s_max: Annotated[
        float,
        typer.Option(
            help="Seconds that a partition may be silent beyond the time Kafka needs. Increase it on a busy machine."
        ),
    ] = BEYOND_S_MAX,
    kafka: Annotated[
        str,
        typer.Option(
            help=f"Kafka version of every broker: {OLDEST} or {NEWEST}. By default, a single broker runs {OLDEST}, and "
            f"a cluster of three runs {NEWEST}."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for plans, logs and verdicts. A series that was interrupted there is resumed."),
    ] = None,
) -> None:
    """Inject faults into workers and brokers while frames arrive, then account for every frame.

    The test runs Apache Kafka (one broker; three in every fourth seed) and 1 to 3 workers. It sends numbered frames,
    6 % of them corrupted, and keeps a trickle of frames going. A seed kills, stops and pauses workers, makes their
    clocks jump, stops and kills brokers, fills their disk, cuts, slows and mutes connections, recreates and extends the
    topic, sends valid but extremely large frames, and replaces the model. A fault counts only if its target had frames
    in flight, according to the worker's metric.

    Afterwards all topics are read (read_committed). Frames that are lost, repeated, out of order or inspected by a
    wrong model are counted. A partition that was silent for longer than Kafka needs is a failure too, unless a plain
    consumer that runs next to the workers was silent as well. A single broker runs an older Kafka version, because a
    single Kafka 4.4.0 broker loses committed records.

    Exit code 0: every guarantee held. 1: a guarantee was broken; repeat the seed with `--seeds 1 --first SEED`. 4: the
    result is inconclusive, because the harness failed or the machine was too busy; repeat the command with the same
    --out to run the failed seeds again. The results are also written to summary.json and tables.md in the folder.

    Example: python -m tests.faults --seeds 2 --frames 300 --delivery at-least-once
    """
    _check_options(fault or (), kafka)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOT_PROVED))  # a clean exit leaves no worker or broker behind
    folder = out or Path(tempfile.mkdtemp(prefix="stripwatch-faults-"))
    series = _open_series(folder, frames, fault or (), beyond_s_max, kafka)
    print(f"writing plans, logs and histories to {folder}", file=sys.stderr)
    chosen = DELIVERIES if delivery == "both" else (delivery,)
    about = describe_run()
    plans = [make_plan(seed, frames, fault or ()) for seed in range(first, first + seeds)]
    try:
        series.run(plans, chosen)
    except (KafkaUnavailableError, BrokerUnavailableError) as error:
        series.failures.append(str(error))
    finally:  # write the results of an interrupted series too
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
        raise typer.BadParameter(
            f"unknown fault {sorted(unknown)[0]!r}; the faults are:\n{known}", param_hint="--fault"
        )
    if kafka not in ("", OLDEST, NEWEST):
        raise typer.BadParameter(f"unsupported version {kafka!r}; use {OLDEST} or {NEWEST}", param_hint="--kafka")


def _open_series(folder: Path, frames: int, faults: Sequence[str], beyond_s_max: float, kafka: str) -> Series:
    try:
        return open_series(folder, frames, faults, beyond_s_max, dict.fromkeys(VERSIONS, kafka) if kafka else VERSIONS)
    except SeriesError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error


def _write_results(folder: Path, about: Mapping[str, Any], found: Mapping[str, Any], tables: str) -> None:
    """Write summary.json and tables.md, and print the tables on stderr."""
    run = {**about, "until": describe_run()["date"]}
    (folder / "summary.json").write_text(json.dumps({"run": run, **found}, indent=1))
    (folder / "tables.md").write_text(tables + "\n")
    print(tables, file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
