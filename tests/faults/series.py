"""Run a series of seeds: start each cluster once, keep each verdict, and resume an interrupted series."""

import itertools
import json
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from tests.brokers.apache import NEWEST, OLDEST
from tests.faults.judge import Delivery
from tests.faults.kafka import Kafka, proxied_kafka, three_brokers
from tests.faults.kinds.fault import PLAIN, TRIO
from tests.faults.plan import WORKERS_MAX, Plan
from tests.faults.run import Verdict, run_seed

_CLUSTERS: dict[str, Callable[[str], AbstractContextManager[Kafka]]] = {
    PLAIN: lambda version: proxied_kafka(WORKERS_MAX, version),
    TRIO: three_brokers,
}
VERSIONS = {PLAIN: OLDEST, TRIO: NEWEST}  # kafka.py says why
_ABOUT = "series.json"


class SeriesError(Exception):
    """The folder holds other files or another series."""


@dataclass(slots=True)
class Series:
    """A series of seeds in a folder.

    versions: Apache Kafka version by cluster. verdicts: verdicts found in the folder and verdicts added by this run.
    failures: inconclusive seeds, in which the harness failed.
    """

    folder: Path
    beyond_s_max: float
    versions: Mapping[str, str]
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _took_s: list[float] = field(default_factory=list)

    def run(self, plans: Sequence[Plan], deliveries: Sequence[Delivery]) -> None:
        """Run all seeds that have no verdict yet, cluster by cluster."""
        if self.verdicts:
            print(f"resuming; {len(self.verdicts)} verdicts found", file=sys.stderr)
        left = self.left(plans, deliveries)
        while left:
            left = self._run_on_one_cluster(left)

    def left(self, plans: Sequence[Plan], deliveries: Sequence[Delivery]) -> list[tuple[Plan, Delivery]]:
        """Return the seeds without a verdict."""
        there = {(verdict.delivery, verdict.seed) for verdict in self.verdicts}
        return [
            (plan, delivery)
            for cluster in _CLUSTERS
            for plan, delivery in itertools.product(plans, deliveries)
            if plan.cluster == cluster and (delivery, plan.seed) not in there
        ]

    def _run_on_one_cluster(self, left: list[tuple[Plan, Delivery]]) -> list[tuple[Plan, Delivery]]:
        """Run seeds until another cluster is needed, and return the remaining ones.

        A new cluster is started for another kind of plan, and after a failure that leaves the cluster's state unknown.
        """
        cluster = left[0][0].cluster
        with _CLUSTERS[cluster](self.versions[cluster]) as kafka:
            while left and left[0][0].cluster == cluster:
                plan, delivery = left.pop(0)
                began_s = time.monotonic()
                try:
                    verdict = run_seed(kafka, plan, delivery, self._fresh(plan, delivery), self.beyond_s_max)
                except Exception as error:  # the other seeds can still run
                    (self.folder / f"{delivery}-{plan.seed}" / "failure.txt").write_text(traceback.format_exc())
                    self.failures.append(f"{delivery} seed {plan.seed}: {type(error).__name__}: {error}")
                    self._took_s.append(time.monotonic() - began_s)
                    self._say(f"INCONCLUSIVE, the harness failed: {self.failures[-1]}", left)
                    return left
                self._took_s.append(time.monotonic() - began_s)
                self.verdicts.append(verdict)
                self._say(self._about(verdict), left)
        return left

    def _fresh(self, plan: Plan, delivery: Delivery) -> Path:
        own = self.folder / f"{delivery}-{plan.seed}"
        shutil.rmtree(own, ignore_errors=True)  # a folder without a verdict is left from an interrupted run
        own.mkdir(parents=True)
        return own

    def _about(self, verdict: Verdict) -> str:
        own = self.folder / f"{verdict.delivery}-{verdict.seed}"
        said = f"BROKEN: {', '.join(verdict.broken)}; see {own}" if verdict.broken else "all guarantees held"
        if verdict.stalled and not verdict.broken:
            said = f"INCONCLUSIVE: the machine stalled {verdict.stalled} times; see {own}"
        where = f"{verdict.cluster}, Kafka {verdict.kafka}, {verdict.workers} workers"
        name = f"{verdict.delivery} seed {verdict.seed} ({where})"
        return f"{name}: {verdict.seconds:.0f} s, {verdict.strikes} faults, {said}"

    def _say(self, text: str, left: Sequence[object]) -> None:
        """Print a line of progress."""
        left_s = len(left) * sum(self._took_s) / len(self._took_s)
        end = (datetime.now() + timedelta(seconds=left_s)).strftime("%H:%M")
        done = f"{len(left)} seeds left, about {left_s / 60:.0f} min, until {end}" if left else "no seeds left"
        print(f"{text}; {done}", file=sys.stderr, flush=True)


def open_series(
    folder: Path, frames: int, only: Sequence[str], beyond_s_max: float, versions: Mapping[str, str]
) -> Series:
    """Start a series in a folder, or resume it.

    Raises SeriesError if the folder holds other files, or a series with other options or of another revision.
    """
    about = {
        "frames": frames,
        "only": list(only),
        "beyond_s_max": beyond_s_max,
        "kafka": versions,
        "revision": _revision(),
    }
    file = folder / _ABOUT
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise SeriesError(f"{folder} exists but holds no series; choose a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(about))
    elif (found := json.loads(file.read_text())) != about:
        raise SeriesError(f"{folder} holds a series with {found}, not with {about}; choose a new folder")
    kept = sorted(folder.glob("*/verdict.json"))
    return Series(
        folder, beyond_s_max, versions, [msgspec.json.decode(path.read_bytes(), type=Verdict) for path in kept]
    )


def _revision() -> str:
    """Return the revision of the checkout, with a suffix if there are uncommitted changes."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip()
