"""One simulated frame with its ground truth: a surface with harmless marks and defects of one kind."""

from dataclasses import dataclass

import cv2
import numpy as np

from stripwatch.worker.contracts.events import Box
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.simulator import surface
from stripwatch.worker.simulator.defect_shapes import DEFECTS, DISTRACTORS, NOVEL_DEFECTS
from stripwatch.worker.simulator.surface import Edge, Field, Shape

CLEAN = "clean"
KINDS = (CLEAN, *DEFECTS)
_PAINTERS = DEFECTS | NOVEL_DEFECTS

_VISIBLE = 0.05  # relative brightness; parts of a mark fainter than this vanish in the texture and are outside the box


@dataclass(frozen=True, slots=True)
class Scene:
    """A rendered frame. pixels: uint8 [height, width]. boxes: one per defect, none on a clean frame."""

    pixels: Pixels
    label: str
    boxes: tuple[Box, ...]


def render(kind: str, shape: Shape, seed: int, brightness_factor: float = 1.0) -> Scene:
    """Render one frame of (height, width) px. The same arguments give the same bytes.

    kind: one of KINDS or NOVEL_DEFECTS. brightness_factor: multiplies the camera's pixels, clipped at white, to
    simulate an ageing or exchanged lamp.

    Surface, defects and camera use separate random generators, so frames of different kinds with the same seed differ
    only in the defect.
    """
    strip_rng, defect_rng, camera_rng = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    brightness = surface.rolled_texture(shape, strip_rng)
    edge = surface.draw_edge(shape, strip_rng)
    _lay_distractors(brightness, strip_rng)
    boxes = _lay_defects(brightness, kind, edge, defect_rng) if kind != CLEAN else ()
    surface.cut_at_edge(brightness, edge, strip_rng)
    pixels = surface.expose(brightness, surface.light(shape, strip_rng), camera_rng)
    return Scene(_lit(pixels, brightness_factor), kind, boxes)


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """Encode uint8 [height, width] as a grey JPEG file."""
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def frame_seed(seed: int, number: int) -> int:
    """Return the seed of one frame of a run. Runs with neighbouring seeds share no frame."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def _lit(pixels: Pixels, brightness_factor: float) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=brightness_factor), np.uint8)


def _lay_distractors(brightness: Field, rng: np.random.Generator) -> None:
    for _ in range(rng.poisson(0.7 * _frames_wide(brightness))):
        mark = DISTRACTORS[rng.integers(len(DISTRACTORS))](min(brightness.shape), rng)
        _lay(brightness, mark, *_anywhere(brightness, mark, 0, rng))


def _lay_defects(brightness: Field, kind: str, edge: Edge, rng: np.random.Generator) -> tuple[Box, ...]:
    count = 1 + min(rng.poisson(0.3 * _frames_wide(brightness)), 3)
    lay_one = _lay_at_edge if kind == "edge_crack" else _lay_inside
    marks = (_trim(_PAINTERS[kind](min(brightness.shape), rng)) for _ in range(count))
    return tuple(lay_one(brightness, mark, edge, rng) for mark in marks)


def _lay_inside(brightness: Field, mark: Field, edge: Edge, rng: np.random.Generator) -> Box:
    margin_px = int(np.ceil(edge.margin_px.max()))
    row, column = _anywhere(brightness, mark, margin_px, rng)
    return _lay(brightness, mark, row if edge.at_top else row - margin_px, column)


def _lay_at_edge(brightness: Field, mark: Field, edge: Edge, rng: np.random.Generator) -> Box:
    _, column = _anywhere(brightness, mark, 0, rng)
    margin_px = int(edge.margin_px[column : column + mark.shape[1]].mean())
    if edge.at_top:
        return _lay(brightness, mark, margin_px, column)
    return _lay(brightness, mark[::-1], brightness.shape[0] - margin_px - mark.shape[0], column)


def _anywhere(brightness: Field, mark: Field, margin_px: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return a random row (at least margin_px) and column at which the whole mark fits, if possible."""
    rows = brightness.shape[0] - mark.shape[0] - margin_px
    columns = brightness.shape[1] - mark.shape[1]
    return margin_px + int(rng.integers(max(rows, 0) + 1)), int(rng.integers(max(columns, 0) + 1))


def _lay(brightness: Field, mark: Field, row: int, column: int) -> Box:
    """Add the mark to the surface in place, cropped if it is larger than the frame. Return its box."""
    row, column = max(row, 0), max(column, 0)
    under = brightness[row : row + mark.shape[0], column : column + mark.shape[1]]
    under += mark[: under.shape[0], : under.shape[1]]
    return Box(column, row, under.shape[1], under.shape[0])


def _trim(mark: Field) -> Field:
    """Cut away the invisible rim, so that the size of the mark is its box."""
    x, y, width, height = cv2.boundingRect((np.abs(mark) > _VISIBLE).astype(np.uint8))
    return mark[y : y + height, x : x + width]


def _frames_wide(brightness: Field) -> float:
    """Return the length of the frame in square frames. A longer frame shows more marks."""
    height, width = brightness.shape
    return float(max(width / height, 1))
