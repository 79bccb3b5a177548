"""The work-around for glibc: it does something on Linux, and nothing elsewhere."""

import subprocess
import sys

import pytest

from stripwatch.worker.common.process.malloc import trim_malloc, tune_malloc

KEEPS = """
import sys
import psutil
import stripwatch.worker.common.process.malloc as memory

def resident_mb():
    return psutil.Process().memory_info().rss / 1e6

blocks = [bytes(50_000) for _ in range(2000)]
last = bytes(50_000)
del blocks
before = resident_mb()
memory.trim_malloc()
sys.exit(0 if before - resident_mb() > 50 else 1)
"""


MAPS = """
import resource, sys
import numpy as np
import stripwatch.worker.common.process.malloc as memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "set up":
    memory.tune_malloc()
for frames in (1, 100):
    before = faults()
    for _ in range(frames):
        pixels = [np.full(2_000_000, 7, np.uint8) for _ in range(4)]
        del pixels
print((faults() - before) / frames)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_the_pixels_of_a_frame_lie_where_those_of_the_last_one_lay() -> None:
    """Four frames of 2 MB at once, again and again: page faults a time."""
    faults = {
        how: float(subprocess.run([sys.executable, "-c", MAPS, how], capture_output=True, check=True).stdout)
        for how in ("as it comes", "set up")
    }
    assert faults["set up"] < 5 < 50 < faults["as it comes"]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_free_memory_goes_back_to_the_system() -> None:
    """100 MB in small blocks, with one in use behind them: glibc alone would keep them."""
    assert subprocess.run([sys.executable, "-c", KEEPS]).returncode == 0


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    tune_malloc()
    trim_malloc()
