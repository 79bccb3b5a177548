"""The pictures of the scene: simulated strip with defects, and evidence images drawn by the worker's own code."""

import threading
from functools import cache

from stripwatch.worker.contracts.events import Box, Defect
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.reading.frame_fetcher import shrink, shrink_rejected
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.observers.annotate import ImageLimits, annotate_frame
from stripwatch.worker.simulator.scene import Scene, encode_jpeg, render

# The class names of the scene, and what the simulator draws for each.
LABELS = {
    "scratch": "scratch",
    "rolled_in_scale": "inclusion",
    "pits": "pits",
    "patch": "patch",
    "inclusion": "inclusion",
    "edge_crack": "edge_crack",
}
NOVEL = "novel"  # what a novel frame shows has no class
_DRAWN = LABELS | {NOVEL: "chatter"}
LONG_PX, SQUARE_PX = (1600, 256), (200, 200)
_VARIANTS = 4
_LIMITS = DecodeLimits(bytes_max=4_000_000, pixels_max=4_000_000)
_EVIDENCE = ImageLimits(1600, 85, 500_000)
_WAIT_S_MAX = 30


@cache
def _scene(label: str, size_px: tuple[int, int], variant: int) -> Scene:
    return render(_DRAWN[label], (size_px[1], size_px[0]), 100 + variant)


def boxes_of(label: str, size_px: tuple[int, int], number: int) -> tuple[Box, ...]:
    return _scene(label, size_px, number % _VARIANTS).boxes


@cache
def _encoded(label: str, size_px: tuple[int, int], variant: int) -> bytes:
    return encode_jpeg(_scene(label, size_px, variant).pixels)


def encoded(label: str, size_px: tuple[int, int], number: int) -> bytes:
    """Return the JPEG file of a frame."""
    return _encoded(label, size_px, number % _VARIANTS)


class ScenePictures:
    """Stands in for the reader of pictures. Every seventh frame is gone, with half of their evidence images.

    arriving: while it is clear, pictures do not arrive.
    """

    def __init__(self) -> None:
        self.arriving = threading.Event()
        self.arriving.set()
        self._frames: dict[int, tuple[str, tuple[int, int], float]] = {}
        self._truncated: set[int] = set()

    def add(self, offset: int, label: str, size_px: tuple[int, int], score: float) -> None:
        self._frames[offset] = label, size_px, score

    def add_reject(self, offset: int, reason: str) -> None:
        """Add a rejected frame. A truncated one can be decoded in part, the others cannot be decoded."""
        if reason == "truncated":
            self._truncated.add(offset)

    def picture(self, position: Position, width_px_max: int) -> bytes | None:
        self.arriving.wait(_WAIT_S_MAX)
        if position.topic.endswith("rejects"):
            return self._part(width_px_max) if position.offset in self._truncated else None
        is_evidence = position.topic.endswith("evidence")
        if position.offset % (14 if is_evidence else 7) == 0 or position.offset not in self._frames:
            return None
        label, size_px, score = self._frames[position.offset]
        scene = _scene(label, size_px, position.offset % _VARIANTS)
        jpeg = encode_jpeg(scene.pixels)
        if is_evidence:
            defects = [Defect(label, score, box, None) for box in scene.boxes]
            jpeg = annotate_frame(jpeg, defects, None, _EVIDENCE, _LIMITS)
        return shrink(jpeg, width_px_max, _LIMITS)

    def _part(self, width_px_max: int) -> bytes:
        jpeg = encode_jpeg(_scene("scratch", LONG_PX, 0).pixels)
        return shrink_rejected(jpeg[: len(jpeg) // 2], width_px_max, _LIMITS)

    def close(self) -> None:
        self.arriving.set()
