"""Frames of a 12-bit camera give the same verdict as their 8-bit versions in every file format, or are unsure."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from onnx import helper

import stripwatch
from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.manifest_codec import encode_manifest
from stripwatch.worker.model.onnx_file.onnx_metadata import add_checksum
from stripwatch.worker.simulator.scene import CLEAN, KINDS, render
from tests.image_files import LONG, SHORT, png_with_chunk, tiff_file

FRAMES = {f"{kind} {seed}": render(kind, (200, 200), seed).pixels for kind in KINDS for seed in (1, 2)}


def png(pixels: NDArray[Any]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def twelve_bits(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Simulate the image of a 12-bit camera: 16 grey values for each 8-bit value."""
    noise = np.random.default_rng(0).integers(0, 16, pixels.shape, np.uint16)
    return np.asarray(pixels.astype(np.uint16) * 16 + noise, np.uint16)


Encode = Callable[[NDArray[np.uint16]], bytes]

DECLARED: dict[str, Encode] = {
    "PNG with sBIT": lambda deep: png_with_chunk(png(deep << 4), b"sBIT", b"\x0c"),
    "PNG with sBIT and repeated bits": lambda deep: png_with_chunk(png(deep << 4 | deep >> 8), b"sBIT", b"\x0c"),
    "TIFF of 12 bits": partial(tiff_file, bits=12),
    "TIFF with MaxSampleValue": partial(tiff_file, bits=16, tags={281: (SHORT, [4095])}),
    "TIFF with SMaxSampleValue": partial(tiff_file, bits=16, tags={341: (LONG, [4095])}, compress=True),
    "TIFF of the full range": lambda deep: tiff_file(deep << 4 | deep >> 8, 16, {341: (LONG, [65535])}),
}
UNDECLARED: dict[str, Encode] = {"PNG": png, "TIFF": partial(tiff_file, bits=16)}


@pytest.fixture(scope="module")
def demo() -> LoadedModel:
    return stripwatch.load_model(DEMO_BUNDLE)


@pytest.fixture(scope="module")
def trained_on_12_bits(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Return the bundle of the demo with 12 bits in its decode spec; its golden frames have 8 bits."""
    bundle = read_bundle(DEMO_BUNDLE)
    manifest = replace(bundle.manifest, decode=replace(bundle.manifest.decode, bit_depth=12))
    model = onnx.load_from_string(bundle.model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    helper.set_model_props(model, metadata | encode_manifest(manifest))
    path: Path = tmp_path_factory.mktemp("bundle") / "twelve.onnx"
    path.write_bytes(add_checksum(model.SerializeToString()))
    return stripwatch.load_model(path)


@pytest.mark.parametrize("file", DECLARED)
def test_a_declared_depth_gives_the_same_result_as_8_bits(demo: LoadedModel, file: str) -> None:
    for name, pixels in FRAMES.items():
        encoded = DECLARED[file](twelve_bits(pixels))
        assert np.array_equal(demo.decode(encoded).pixels, demo.decode(png(pixels)).pixels)
        found = demo.inspect(encoded)
        assert found == demo.inspect(png(pixels))
        assert (found.verdict == "clean") == name.startswith(CLEAN)


@pytest.mark.parametrize("file", UNDECLARED)
def test_an_undeclared_depth_makes_the_verdict_unsure(demo: LoadedModel, file: str) -> None:
    for pixels in FRAMES.values():
        found = demo.inspect(UNDECLARED[file](twelve_bits(pixels)))
        assert (found.verdict, found.flags, found.defects) == ("unsure", (FrameFlag.BIT_DEPTH,), ())


@pytest.mark.parametrize("file", UNDECLARED)
def test_uses_the_depth_of_training_if_none_is_declared(trained_on_12_bits: LoadedModel, file: str) -> None:
    for name, pixels in FRAMES.items():
        found = trained_on_12_bits.inspect(UNDECLARED[file](twelve_bits(pixels)))
        assert found == trained_on_12_bits.inspect(png(pixels))
        assert (found.verdict == "clean") == name.startswith(CLEAN)


def test_samples_beyond_the_depth_of_training_make_the_verdict_unsure(trained_on_12_bits: LoadedModel) -> None:
    deep = twelve_bits(FRAMES["scratch 1"]) << 2
    assert trained_on_12_bits.inspect(png(deep)).flags == (FrameFlag.BIT_DEPTH,)
