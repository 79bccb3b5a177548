"""Run the steps of a GPU run one after the other within a time limit: `python -m tests.gpu.measure --folder OUT`.

OUT/results.jsonl has one line per step, and OUT/table.md shows them; both are rewritten after each step. A finished
step is not run again, so an interrupted run can be resumed. A step that fails or takes too long is recorded with its
error and the rows so far, and the next step runs.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.process.child_process import start_process
from stripwatch.worker.common.terminal.console import say
from tests.gpu.machine import describe_machine
from tests.gpu.plan import STEPS, ProviderName, Step
from tests.gpu.rows import Row
from tests.gpu.table import markdown

RESULTS, TABLE = "results.jsonl", "table.md"
_START_S = 5.0  # no step starts with less time left
_ERROR_MAX = 400

Runner = Callable[[Step, float], "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a step. error: empty if the step finished."""

    rows: list[Row]
    error: str = ""


def main(
    folder: Annotated[Path, typer.Option(help="Folder for the results. A run that was interrupted there is resumed.")],
    provider: Annotated[str, typer.Option(help="cuda, or cpu for a dry run.")] = "cuda",
    minutes: Annotated[float, typer.Option(min=0.1, help="Time limit of the run, in minutes.")] = 8.0,
    only: Annotated[
        str, typer.Option(help="Run only steps whose name starts with this, such as 'speed' or 'worker eff'.")
    ] = "",
    models: Annotated[Path, typer.Option(help="Folder of the bundles.")] = Path(".gpu/models"),
    commit: Annotated[str, typer.Option(help="Commit of the code, if there is no git repository.")] = "",
) -> None:
    """Run all steps that have no result yet, and print the table."""
    if provider not in ("cuda", "cpu"):
        raise typer.BadParameter("use cuda or cpu", param_hint="--provider")
    folder.mkdir(parents=True, exist_ok=True)
    steps = [step for step in STEPS if step.name.startswith(only)]

    def run(step: Step, seconds: float) -> Outcome:
        return run_step(step, seconds, cast(ProviderName, provider), models)

    measure(folder, steps, 60 * minutes, run, {"provider": provider, **describe_machine(commit)})
    say((folder / TABLE).read_text())


def measure(
    folder: Path,
    steps: Sequence[Step],
    seconds: float,
    run: Runner,
    machine: dict[str, str],
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Run the steps without a result until `seconds` have passed; write the results after each step."""
    ends_s = now() + seconds
    records = read_records(folder / RESULTS)
    _write(folder, records, machine)
    for step in steps:
        left_s = ends_s - now()
        if any(record["step"] == step.name and not record["error"] for record in records):
            continue
        if left_s < _START_S:
            break
        started_s = now()
        outcome = run(step, min(step.seconds, left_s))
        record = {"step": step.name, "seconds": round(now() - started_s, 1), "error": outcome.error}
        records = [each for each in records if each["step"] != step.name]
        records.append({**record, "rows": outcome.rows, "machine": machine})
        _write(folder, records, machine)
        say(f"{step.name}: {outcome.error or 'done'}, {record['seconds']} s; {ends_s - now():.0f} s left")


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the recorded steps; empty if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _write(folder: Path, records: Sequence[dict[str, Any]], machine: dict[str, str]) -> None:
    planned = [step.name for step in STEPS]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    atomic_write(folder / RESULTS, lines.encode())
    atomic_write(folder / TABLE, markdown(records, planned, machine).encode())


def run_step(step: Step, seconds: float, provider: ProviderName, models: Path) -> Outcome:
    """Run a step in a separate process, which is stopped with its children after `seconds`."""
    command = [sys.executable, "-m", "tests.gpu.steps", step.kind, step.model]
    return run_command([*command, "--provider", provider, "--models", str(models)], seconds)


def run_command(command: Sequence[str], seconds: float) -> Outcome:
    """Run a command whose stdout lines are rows; keep the rows it wrote before it was stopped."""
    with tempfile.TemporaryFile("w+") as rows, tempfile.TemporaryFile("w+") as errors:
        child = start_process("the step", command, errors, stdout=rows)
        code = child.wait(seconds)
        child.stop(0)
        rows.seek(0)
        errors.seek(0)
        found = [json.loads(line) for line in rows.read().splitlines() if line.endswith("}")]
        if code == 0:
            return Outcome(found)
        said = " ".join(errors.read().split())[-_ERROR_MAX:]
    reason = f"stopped after {seconds:.0f} s" if code is None else f"exit code {code}"
    return Outcome(found, f"{reason}: {said}" if said else reason)


if __name__ == "__main__":
    typer.run(main)
