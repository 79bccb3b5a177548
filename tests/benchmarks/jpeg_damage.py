"""Measure how much damage in JPEG files goes unnoticed: `python -m tests.benchmarks.jpeg_damage [FOLDER]`.

Simulated strips of 256x800 px, grey, quality 85, are damaged in the data of their last scan. The output is one JSON
line for single flipped bits, and one for each kind of file with gaps (bytes that are removed, or set to zero).
With FOLDER, only bits are flipped, in the JPEG files (.jpg) of that folder.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.common.terminal.console import print_summary
from stripwatch.worker.images.headers.jpeg import read_jpeg_header
from stripwatch.worker.images.jpeg_decoder import decode_jpeg
from stripwatch.worker.simulator.scene import KINDS, frame_seed, render

_SHAPE, _SEED, _QUALITY, _FILES = (256, 800), 3, 85, 200
_FLIPS = 1_000
_GAPS_BYTES = (20, 100, 1_000)
_VISIBLE = 32  # grey values by which at least one pixel differs
_BASELINE = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
_PROGRESSIVE = [*_BASELINE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
_RESTARTS = (32, 100, 400, 1_600)  # blocks between two restart markers
_START_OF_SCAN, _END_BYTES = b"\xff\xda", 2


def encoded_strips(options: list[int]) -> list[bytes]:
    """Return the files, the same for the same options."""
    scenes = (render(KINDS[n % len(KINDS)], _SHAPE, frame_seed(_SEED, n)) for n in range(_FILES))
    return [cv2.imencode(".jpg", scene.pixels, options)[1].tobytes() for scene in scenes]


def last_scan(encoded: bytes) -> slice:
    """Return where the data of the last scan lie."""
    at = encoded.rindex(_START_OF_SCAN) + len(_START_OF_SCAN)
    return slice(at + int.from_bytes(encoded[at : at + 2]), len(encoded) - _END_BYTES)


def decoded(encoded: bytes, flags_damaged: bool = False) -> np.ndarray | None:
    """Return the pixels as integers, or None if the file is rejected."""
    try:
        return decode_jpeg(encoded, read_jpeg_header(encoded), "grey", 1, flags_damaged).values.astype(np.int16)
    except FrameRejected:
        return None


def with_gaps(encoded: bytes, gap_bytes: int) -> Iterator[bytes]:
    """Yield the file twice: a third into its last scan, bytes are removed, and set to zero."""
    scan = last_scan(encoded)
    at = scan.start + (scan.stop - scan.start) // 3
    yield encoded[:at] + encoded[at + gap_bytes :]
    yield encoded[:at] + bytes(gap_bytes) + encoded[at + gap_bytes :]


def measure_flips(files: list[bytes]) -> dict[str, int]:
    """Flip one bit per trial, and count what strict decoding notices."""
    rng = np.random.default_rng(0)
    noticed = visible = visible_noticed = 0
    for _ in range(_FLIPS):
        encoded = files[rng.integers(len(files))]
        scan = last_scan(encoded)
        flipped = bytearray(encoded)
        flipped[rng.integers(scan.start, scan.stop)] ^= 1 << int(rng.integers(8))
        intact, lenient = decoded(encoded), decoded(bytes(flipped), flags_damaged=True)
        rejected = decoded(bytes(flipped)) is None
        shows = intact is None or lenient is None or bool(np.abs(intact - lenient).max() >= _VISIBLE)
        noticed += rejected
        visible += shows
        visible_noticed += shows and rejected
    return {"flips": _FLIPS, "noticed": noticed, "visible": visible, "visible_noticed": visible_noticed}


def measure_gaps(options: list[int]) -> dict[str, int]:
    """Return how many damaged files were accepted, by the size of the gap."""
    files = encoded_strips(options)
    accepted = dict.fromkeys(_GAPS_BYTES, 0)
    for gap_bytes in _GAPS_BYTES:
        for encoded in files:
            accepted[gap_bytes] += sum(decoded(gapped) is not None for gapped in with_gaps(encoded, gap_bytes))
    return {f"gap_{gap_bytes}_bytes": count for gap_bytes, count in accepted.items()}


def main() -> None:
    if sys.argv[1:]:
        paths = sorted(Path(sys.argv[1]).rglob("*.jpg"))
        print_summary(
            {"kind": "single bits", "files": len(paths), **measure_flips([path.read_bytes() for path in paths])}
        )
        return
    print_summary({"kind": "single bits, baseline", "files": _FILES, **measure_flips(encoded_strips(_BASELINE))})
    kinds = {"baseline": _BASELINE, "progressive": _PROGRESSIVE}
    kinds |= {f"progressive, restart every {n}": [*_PROGRESSIVE, cv2.IMWRITE_JPEG_RST_INTERVAL, n] for n in _RESTARTS}
    for name, options in kinds.items():
        print_summary({"kind": name, "files": 2 * _FILES, "accepted": measure_gaps(options)})


if __name__ == "__main__":
    main()
