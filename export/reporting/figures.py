"""Figures as PNG files, drawn without a display and in one style."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.images.headers.reader import read_header

_DPI = 110
_SHEET_INCHES = 11.0
_TILE_HEIGHT_PX = 200
_CAPTION_CHARS_MAX = 90
# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which colour-blind people can distinguish. After seven
# lines the colours repeat with dashed lines.
BLUE, VERMILION = "#0072B2", "#D55E00"
_COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_CHART_STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "0.7",
    "grid.color": "0.88",
    "axes.prop_cycle": cycler(linestyle=["-", "--"]) * cycler(color=_COLOURS),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of a contact sheet with its caption. pixels: uint8 [h, w, 3], RGB."""

    pixels: Pixels
    caption: str


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure that renders without a display."""
    figure = Figure(figsize=(width_inches, height_inches), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes(width_inches: float, height_inches: float, **subplots: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes, with a grid behind the data. subplots: arguments of Figure.subplots."""
    figure = new_figure(width_inches, height_inches)
    with mpl.rc_context(_CHART_STYLE):
        return figure, figure.subplots(**subplots)


def literal(text: str) -> str:
    r"""Escape a name or label for matplotlib, which typesets text between two dollar signs as mathematics.

    matplotlib draws "\$" as a plain dollar sign. Pass handles and labels to a legend as arguments as well: matplotlib
    otherwise omits labels that begin with an underscore.
    """
    return text.replace("$", r"\$")


def to_png(figure: Figure) -> bytes:
    """Render a figure as PNG."""
    written = io.BytesIO()
    with warnings.catch_warnings():  # a name may hold a character missing from the font, which is drawn as a box
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(written, format="png")
    return written.getvalue()


def decode_tile(encoded: bytes, depth: DecodeSpec | None = None) -> Pixels:
    """Decode an image for a contact sheet: uint8 [h, w, 3], 200 pixels high, in its own aspect ratio.

    depth: decode spec whose bit depth and levels map samples of more than 8 bits to 8 bits.
    """
    header = read_header(encoded)
    width_px = max(1, round(_TILE_HEIGHT_PX * header.width_px / header.height_px))
    return decode(encoded, _display_spec(_TILE_HEIGHT_PX, width_px, depth)).pixels


def browser_image(encoded: bytes, depth: DecodeSpec) -> bytes:
    """Return an image file that every browser can display.

    JPEG and 8-bit PNG files are returned unchanged, others are converted to 8-bit PNG. depth: as for decode_tile.
    """
    header = read_header(encoded)
    if header.format == "jpeg" or (header.format == "png" and header.bits <= 8):
        return encoded
    pixels = decode(encoded, _display_spec(header.height_px, header.width_px, depth)).pixels
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def _display_spec(height_px: int, width_px: int, depth: DecodeSpec | None) -> DecodeSpec:
    if depth is None:
        return DecodeSpec(height_px, width_px)
    return DecodeSpec(height_px, width_px, bit_depth=depth.bit_depth, levels=depth.levels)


def _shortened(line: str) -> str:
    """Return a caption line, with its middle replaced by an ellipsis if it is wider than the sheet."""
    return line if len(line) <= _CAPTION_CHARS_MAX else f"{line[: _CAPTION_CHARS_MAX - 20]}…{line[-19:]}"


def draw_sheet(title: str, tiles: Sequence[Tile]) -> bytes:
    """Return a contact sheet as PNG: all tiles in a grid with captions above them. Wide images get fewer columns."""
    aspect = float(np.median([tile.pixels.shape[1] / tile.pixels.shape[0] for tile in tiles]))
    columns = max(2, min(6, round(7 / aspect)))
    rows = -(-len(tiles) // columns)
    lines = max(tile.caption.count("\n") for tile in tiles) + 1
    row_inches = _SHEET_INCHES / columns / aspect + 0.12 * lines + 0.08
    figure = new_figure(_SHEET_INCHES, rows * row_inches + 0.4)
    figure.suptitle(literal(_shortened(title)), fontsize=12, x=0.01, ha="left")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for at, axis in enumerate(axes):
        axis.axis("off")
        if at < len(tiles):
            axis.imshow(tiles[at].pixels)
            caption = "\n".join(map(_shortened, tiles[at].caption.split("\n")))
            axis.set_title(literal(caption), fontsize=7, pad=2)
    return to_png(figure)
