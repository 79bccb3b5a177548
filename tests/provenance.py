"""Where, when and on what a long run was measured."""

import os

from stripwatch.export.runs.provenance import commit
from tests.gpu.machine import describe_machine


def describe_run() -> dict[str, str]:
    """For a file of results. Loads are how many processes wanted a core, in the last minute and the last fifteen."""
    own = {name: value for name, value in describe_machine(commit() or "").items() if name not in ("GPU", "driver")}
    last, _, long = os.getloadavg()
    return own | {"niceness": str(os.nice(0)), "loads": f"{last:.1f}, {long:.1f}"}
