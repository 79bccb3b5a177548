"""Tuning of malloc: it has an effect with glibc and none on other systems."""

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

if sys.argv[1] == "tuned":
    memory.tune_malloc()
for frames in (1, 100):
    before = faults()
    for _ in range(frames):
        pixels = [np.full(2_000_000, 7, np.uint8) for _ in range(4)]
        del pixels
print((faults() - before) / frames)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_frames_reuse_the_memory_of_earlier_frames() -> None:
    """Count page faults per round of allocating and freeing four frames of 2 MB."""
    faults = {
        how: float(subprocess.run([sys.executable, "-c", MAPS, how], capture_output=True, check=True).stdout)
        for how in ("default", "tuned")
    }
    assert faults["tuned"] < 5 < 50 < faults["default"]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_returns_free_memory_to_the_system() -> None:
    """Free 100 MB in small blocks below a block that is in use, which glibc would keep."""
    assert subprocess.run([sys.executable, "-c", KEEPS]).returncode == 0


def test_does_nothing_on_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    tune_malloc()
    trim_malloc()
