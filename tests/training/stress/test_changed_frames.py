import cv2
import numpy as np
import pytest

from stripwatch.training.stress.changed_frames import changed_frame, decode_source
from stripwatch.training.stress.changes import CHANGES, Change
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels

BY_NAME = {change.name: change for change in CHANGES}
NOTHING = Change("nothing", "", (0,), lambda pixels, _strength, _random: pixels)


def coloured() -> np.ndarray:
    grid = np.mgrid[0:40, 0:60]
    return np.stack([grid[0] * 6, grid[1] * 4, np.full((40, 60), 90)], axis=-1).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_frame_without_a_change_is_decoded_as_usual(colour: str) -> None:
    spec = DecodeSpec(24, 24, colour=colour)  # type: ignore[arg-type]  # pytest passes plain text
    encoded = png(coloured())
    source = decode_source(encoded, spec)
    assert source.shape == (40, 60, spec.channels)
    assert (changed_frame(NOTHING, 0, spec, source, "a.png") == decode(encoded, spec).pixels).all()


def test_source_has_the_levels_of_the_model() -> None:
    spec = DecodeSpec(24, 24, colour="grey", bit_depth=12, levels=Levels(0.25, 0.5))
    encoded = png(np.full((40, 60), 1536, np.uint16))
    assert decode_source(encoded, spec)[0, 0, 0] == decode(encoded, spec).pixels[0, 0, 0] == pytest.approx(128, abs=1)


def test_frame_for_a_scaled_model_passes_its_jpeg_decoder() -> None:
    spec = DecodeSpec(16, 16, colour="grey", jpeg_scale=2)
    source = decode_source(png(coloured()), spec)
    found = changed_frame(NOTHING, 0, spec, source, "a.png").astype(int)
    assert np.abs(found - decode(png(coloured()), DecodeSpec(16, 16, colour="grey")).pixels).max() < 12


def test_random_changes_depend_on_the_frame_only() -> None:
    spec, noise = DecodeSpec(24, 24, colour="grey"), BY_NAME["noise"]
    source = decode_source(png(coloured()), spec)
    first = changed_frame(noise, 8, spec, source, "a.png")
    assert (changed_frame(noise, 8, spec, source, "a.png") == first).all()
    assert (changed_frame(noise, 8, spec, source, "b.png") != first).any()


def test_name_with_undecodable_bytes() -> None:
    spec = DecodeSpec(24, 24, colour="grey")
    source = decode_source(png(coloured()), spec)
    assert changed_frame(BY_NAME["noise"], 4, spec, source, "\udcff.png").shape == spec.shape
