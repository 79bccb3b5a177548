"""Compare the speed of an earlier revision and this one: `python -m tests.benchmarks.revisions REVISION --rounds 5`

Each round runs `stripwatch bench` of both, in alternating order, with the demo bundle and default settings. The last
line is JSON. Ratios are this checkout / the revision, within a round.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stripwatch.worker.bench.demo import DEMO_BUNDLE
from tests.revisions import THIS, Version, checkout

BENCH_S_MAX = 600


def run_bench(version: Version, bundle: Path, count: int, options: Sequence[str]) -> dict[str, float]:
    """Return frames per second at full load, and the worker's CPU seconds per 1,000 frames."""
    sizes = ["--count", str(count), "--runs", "1", "--load", "0.5", "--seconds", "1"]
    command = [*version.program, "bench", "--bundle", str(bundle), *sizes, *options]
    done = subprocess.run(
        command, env=version.environment, stdout=subprocess.PIPE, text=True, timeout=BENCH_S_MAX, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {
        "frames_per_second": found["frames_per_second"],
        "worker_cpu_s_per_1000_frames": found["cpu_s_per_1000_frames"]["worker"],
    }


def compare(old: Version, rounds: int, count: int, shape: str) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {"old": [], "new": []}
    for number in range(rounds):
        pair = [("old", old), ("new", THIS)]
        for name, version in pair if number % 2 == 0 else reversed(pair):
            found[name].append(run_bench(version, DEMO_BUNDLE, count, ["--shape", shape]))
            print(f"round {number + 1}: {name} {found[name][-1]}", file=sys.stderr)
    return {figure: figures(found, figure) for figure in found["old"][0]}


def figures(found: dict[str, list[dict[str, float]]], figure: str) -> dict[str, Any]:
    old, new = ([each[figure] for each in found[name]] for name in ("old", "new"))
    ratios = [round(b / a, 3) for a, b in zip(old, new, strict=True)]
    return {"old": old, "new": new, "ratios": ratios, "ratio_median": statistics.median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="Earlier revision, in any form that git accepts.")
    parser.add_argument("--rounds", type=int, default=5, help="Number of rounds.")
    parser.add_argument("--count", type=int, default=4000, help="Frames per run at full load.")
    parser.add_argument("--shape", default="200x200", help="Height x width of the simulated frames, in pixels.")
    options = parser.parse_args()
    with checkout(options.revision) as old:
        found = compare(old, options.rounds, options.count, options.shape)
    print(json.dumps({"revision": options.revision, "count": options.count, "shape": options.shape, **found}))


if __name__ == "__main__":
    main()
