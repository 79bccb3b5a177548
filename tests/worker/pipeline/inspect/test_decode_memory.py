"""A burst of large frames stays within inflight.decoded_bytes_max, measured in a separate process."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tiny import write_bundle

FRAMES, THREADS, LIMIT_MB = 12, 6, 110  # a grey frame of 8192 x 4096 px counts as 105 MB, and its pixels take 34 MB
SCRIPT = """
import resource, sys
from pathlib import Path
from stripwatch.worker.common.process.malloc import tune_malloc
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.model.loading.open_model import load_model
from stripwatch.worker.service.offline import inspect_folder

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

bundle, frames, out, threads, limit_bytes = sys.argv[1:]
tune_malloc()
limits = {"inflight": {"decoded_bytes_max": int(limit_bytes)}, "decode_threads": int(threads)}
settings = load_settings(None, {"bundle": Path(bundle), "batch_frames_max": 1, "inference_threads": 1, **limits})
load_model(settings)
before_mb = peak_mb()
summary = inspect_folder(settings, Path(frames), Path(out))
assert summary["results"] == summary["frames"], summary
print(peak_mb() - before_mb)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
def test_a_burst_of_line_scan_frames_stays_within_the_memory_limit(tmp_path: Path) -> None:
    frames, bundle = tmp_path / "frames", write_bundle(tmp_path / "tiny.onnx")
    frames.mkdir()
    frame = cv2.imencode(".jpg", np.full((4096, 8192), 130, np.uint8))[1].tobytes()
    for number in range(FRAMES):
        (frames / f"{number}.jpg").write_bytes(frame)
    paths = [str(bundle), str(frames), str(tmp_path / "out.jsonl")]
    command = [sys.executable, "-P", "-c", SCRIPT, *paths, str(THREADS), str(LIMIT_MB * 1_000_000)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    added_mb = float(done.stdout.splitlines()[-1])
    assert added_mb < LIMIT_MB + FRAMES * len(frame) / 1e6
