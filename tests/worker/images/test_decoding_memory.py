"""Decoding uses no more memory than it reserves first; the memory budget of a worker relies on this."""

import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from stripwatch.worker.images.lossless_png import raw_to_png
from stripwatch.worker.simulator.raw_frames import pack_raw
from tests.image_files import tiff_file

SIDE_PX = 4096  # large enough that every array is a separate mapping, which the kernel counts separately
NOISE = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX), np.uint8)
LIMITS = DecodeLimits(bytes_max=10**9)
TOLERANCE = 1.5  # the heap keeps some freed memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own count of memory")


@pytest.mark.parametrize("name", ["Mono12", "Mono12p", "Mono12Packed", "BayerRG8"])
def test_raw_buffers_and_their_png_copies(name: str) -> None:
    buffer, layout = pack_raw(NOISE, name)
    assert_within_reserve(buffer, layout)
    assert_within_reserve(raw_to_png(buffer, layout, LIMITS), None)


@pytest.mark.parametrize("compress", [False, True])
def test_tiff_files(compress: bool) -> None:
    assert_within_reserve(tiff_file(NOISE.astype(np.uint16) << 8, 16, compress=compress), None)


def assert_within_reserve(encoded: bytes, layout: RawLayout | None) -> None:
    reserved: list[int] = []
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak to the resident memory
    decode(encoded, DecodeSpec(64, 64), LIMITS, layout, reserved.append)
    assert peak_bytes() - before <= TOLERANCE * reserved[0]


def peak_bytes() -> int:
    """Read the peak from /proc, because psutil does not report it on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
