"""Contact sheets that show some images of each class of a data set."""

from pathlib import Path

import numpy as np

from stripwatch.export.reporting.figures import Tile, decode_tile, draw_sheet
from stripwatch.export.runs.files import read_whole
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.images.decode_spec import DecodeSpec

_TILES_MAX = 24


def draw_contact_sheet(root: Path, label: str, members: list[Sample], bit_depth: int | None) -> bytes:
    """Return a contact sheet as PNG of up to 24 images of a class, evenly spaced over its members.

    root: folder of the data set. bit_depth: significant bits of 16-bit files that do not declare them.
    """
    picked = np.unique(np.linspace(0, len(members) - 1, min(len(members), _TILES_MAX)).round().astype(int))
    tiles = [_tile(root, members[at].name, bit_depth) for at in picked]
    return draw_sheet(f"{label}: {len(tiles)} of {len(members)} images", tiles)


def _tile(root: Path, name: str, bit_depth: int | None) -> Tile:
    depth = DecodeSpec(1, 1, bit_depth=bit_depth)
    return Tile(decode_tile(read_whole(file_below(root, name)), depth), name.rpartition("/")[2])
