"""The work-around for glibc: it does something on Linux, and nothing elsewhere."""

import subprocess
import sys

import pytest

from worker.memory import give_back_memory, limit_arenas

KEEPS = """
import os, sys
import worker.memory as memory

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

blocks = [bytes(50_000) for _ in range(2000)]
last = bytes(50_000)
del blocks
before = resident_mb()
memory.give_back_memory()
sys.exit(0 if before - resident_mb() > 50 else 1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_free_memory_goes_back_to_the_system() -> None:
    """100 MB in small blocks, with one in use behind them: glibc alone would keep them."""
    assert subprocess.run([sys.executable, "-c", KEEPS]).returncode == 0


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    limit_arenas()
    give_back_memory()
