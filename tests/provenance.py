"""Provenance of a long measurement: machine, time and versions."""

import os

from stripwatch.export.runs.provenance import commit
from tests.gpu.machine import describe_machine


def describe_run() -> dict[str, str]:
    """Return the provenance for a file of results. Loads are the 1-minute and 15-minute load averages."""
    own = {name: value for name, value in describe_machine(commit() or "").items() if name not in ("GPU", "driver")}
    last, _, long = os.getloadavg()
    return own | {"niceness": str(os.nice(0)), "loads": f"{last:.1f}, {long:.1f}"}
