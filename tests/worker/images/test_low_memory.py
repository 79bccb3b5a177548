"""Lack of memory while decoding is not reported as a damaged frame. Tested in a child process with a memory limit."""

import subprocess
import sys

import pytest

CHILD = """
import resource, sys
import cv2, numpy as np, psutil
from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec

options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if sys.argv[1] == ".progressive.jpg" else []
noise = np.random.default_rng(0).integers(0, 4, (2400, 3200, 3), np.uint8)
encoded = cv2.imencode(sys.argv[1][-4:], noise, options)[1].tobytes()
spec = DecodeSpec(64, 64)
whole = decode(encoded, spec).pixels.copy()
del noise
used = psutil.Process().memory_info().vms
outcomes = set()
for room in range(0, 120_000_000, 6_000_000):
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
    try:
        assert (decode(encoded, spec).pixels == whole).all()
        outcomes.add("decoded")
    except MemoryError:
        outcomes.add("short of memory")
    except FrameRejected as error:
        outcomes.add(str(error))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sorted(outcomes))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS limits memory on Linux")
@pytest.mark.parametrize("kind", [".jpg", ".progressive.jpg", ".png"])
def test_reports_lack_of_memory_as_a_memory_error(kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, kind], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['decoded', 'short of memory']"
