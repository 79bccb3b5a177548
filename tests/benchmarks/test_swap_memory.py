"""Memory over model reloads with the tiny model; `tests.benchmarks.swap_memory` measures it with real bundles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.tiny import tiny_contract, write_bundle

pytestmark = pytest.mark.long


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is tuned only on Linux")
def test_memory_does_not_grow_over_fifty_reloads(tmp_path: Path) -> None:
    bundles = [
        write_bundle(tmp_path / f"{number}.onnx", tiny_contract(version=str(number), decode=DecodeSpec(side, side)))
        for number, side in enumerate((16, 24))
    ]
    quick = ("--batch-frames-max", "1", "--frames", "40")
    command = [sys.executable, "-m", "tests.benchmarks.swap_memory", *map(str, bundles), *quick]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["swaps"] == 51
    assert summary["ratio"] <= 1.05, done.stderr
