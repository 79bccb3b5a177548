"""Simulated cameras send raw buffers as the standards define them."""

import numpy as np
import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.contracts.frame import read_record
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.raw_header import PIXEL_FORMATS
from stripwatch.worker.simulator.cameras import layout_headers
from stripwatch.worker.simulator.raw_frames import pack_raw, require_pixel_format
from tests.raw_frames import pack


@pytest.mark.parametrize("width", [16, 17])
@pytest.mark.parametrize("name", PIXEL_FORMATS)
def test_packs_every_bit_as_the_standard_defines(name: str, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, width), np.uint8)
    bits = PIXEL_FORMATS[name].bits
    deep = [[value << (bits - 8) | value >> (16 - bits) for value in row] for row in pixels.tolist()]
    values = np.array(deep) if PIXEL_FORMATS[name].bits_per_pixel < 24 else np.repeat(pixels[..., None], 3, axis=2)
    assert pack_raw(pixels, name) == pack(values, name)


def test_layout_can_be_read_back_from_the_headers() -> None:
    _, layout = pack_raw(np.zeros((9, 17), np.uint8), "Mono12p")
    frame = read_record(Record(Position("frames", 0, 0), 1_790_000_000_000, None, b"", layout_headers(layout)), "", 0.0)
    assert (frame.layout, frame.faults) == (layout, ())


def test_error_names_an_unknown_format() -> None:
    with pytest.raises(SettingsError, match="'mono8'"):
        require_pixel_format("mono8")
