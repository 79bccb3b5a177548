from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import keras
import msgspec
import numpy as np
import pytest

from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.facts.scale_facts import ScaleFacts
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.run_folder import BEGUN_FILE
from stripwatch.training.datasets.dataset import DataSet, read_dataset
from stripwatch.training.fitting.checkpoint import FitIdentity
from stripwatch.training.fitting.fit_plan import choose_decode, map_notes
from stripwatch.training.fitting.fit_settings import DecodeName, FitSettings, to_configuration
from stripwatch.training.networks.joined_maps import join_maps
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.worker.images.decode_spec import DecodeSpec

pytestmark = pytest.mark.training

GREY = np.random.default_rng(2).integers(40, 200, (32, 32, 1), np.uint8).repeat(3, axis=2)


@pytest.fixture
def settings(tmp_path: Path) -> FitSettings:
    return FitSettings(tmp_path / "data", tmp_path / "run", network="mobilenet")


def saved(settings: FitSettings, coloured: bool) -> DataSet:
    for label in ("plain", "rust"):
        (settings.data / label).mkdir(parents=True)
        pixels = GREY.copy()
        if coloured and label == "rust":
            pixels[4:16, 4:16] = (20, 60, 120)
        assert cv2.imwrite(str(settings.data / label / "1.png"), pixels)
    return read_dataset(settings.data)


@pytest.mark.parametrize(
    ("given", "coloured", "used", "note"),
    [
        ("auto", False, "grey", "decode: grey, because none of 2 images has colour"),
        ("auto", True, "rgb", "decode: rgb, because rust/1.png has colour (100 of 255; 8 or more count as colour); "),
        ("rgb", False, "rgb", "note: none of 2 images has colour; --decode grey saves the worker time"),
        ("rgb/2", False, "rgb/2", "note: none of 2 images has colour; --decode grey/2 saves the worker time"),
        ("grey", True, "grey", "note: rust/1.png has colour (100 of 255; 8 or more count as colour), which --decode"),
        ("rgb", True, "rgb", ""),
        ("grey/2", False, "grey/2", ""),
    ],
)
def test_chooses_grey_for_images_without_colour_and_says_why(
    settings: FitSettings, given: DecodeName, coloured: bool, used: DecodeName, note: str
) -> None:
    dataset = saved(settings, coloured)
    found = choose_decode(replace(settings, decode=given), dataset)
    assert found.settings == replace(settings, decode=used)
    assert found.note.startswith(note)
    assert bool(found.note) == bool(note)
    assert found.tests_scale is (given == "auto")
    colour = found.colour
    assert colour is not None
    assert (colour.requested, colour.is_coloured, colour.images) == (given, coloured, 2)


def test_a_resumed_fit_keeps_its_choice(settings: FitSettings) -> None:
    dataset = saved(settings, coloured=True)
    facts = ColourFacts("auto", 0, "a.png", 8, 2, 2)
    scale = ScaleFacts(2, 10, 100, 1, [])
    spec = DecodeSpec(8, 8, "grey", jpeg_scale=2)
    begun = FitIdentity(to_configuration(settings, "folder", "float32"), "", None, None, spec, facts, scale)
    settings.out.mkdir()
    atomic_write(settings.out / BEGUN_FILE, msgspec.json.encode(begun))
    found = choose_decode(replace(settings, resume=True), dataset)
    assert (found.settings.decode, found.colour, found.scale) == ("grey/2", facts, scale)
    assert (found.note, found.tests_scale) == ("decode: grey/2, as when the fit was started", False)
    explicit = choose_decode(replace(settings, resume=True, decode="rgb"), dataset)
    assert explicit.settings.decode == "rgb"  # which the check of the interrupted fit then refuses


@pytest.mark.parametrize("missing", [("colour", "scale"), ("colour", "scale", "decode")], ids=str)
def test_a_fit_begun_by_an_earlier_version_continues_with_its_decoding(
    settings: FitSettings, missing: tuple[str, ...]
) -> None:
    dataset = saved(settings, coloured=False)
    begun = FitIdentity(to_configuration(settings, "folder", "float32"), "", None, None, DecodeSpec(8, 8))
    record = msgspec.to_builtins(begun)
    for name in missing:
        del record[name]
    settings.out.mkdir()
    atomic_write(settings.out / BEGUN_FILE, msgspec.json.encode(record))
    found = choose_decode(replace(settings, resume=True), dataset)
    assert (found.settings.decode, found.colour, found.tests_scale) == ("rgb", None, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"keep": "last"},
        {"weights": "none"},
        {"fine_tune": 2},
        {"head": "dense"},
        {"decode": "grey"},
        {"split": "request"},
    ],
    ids=str,
)
def test_validation_frames_choose_no_scale_where_they_must_not_or_cannot(
    settings: FitSettings, tmp_path: Path, changes: dict[str, Any]
) -> None:
    dataset = saved(settings, coloured=False)
    if "split" in changes:  # of a fit that crossval or compare starts
        changes = {"split": tmp_path / "run.fit.json"}
        changes["split"].write_text('{"split": {"train": [], "validation": []}, "data": "", "flags": []}')
    assert choose_decode(settings, dataset).tests_scale
    assert not choose_decode(replace(settings, **changes), dataset).tests_scale


@pytest.mark.parametrize(("blocks", "notes"), [(1, 1), (3, 0)])
def test_says_that_a_cut_leaves_no_earlier_map(settings: FitSettings, blocks: int, notes: int) -> None:
    image = cells = keras.Input((64, 64, 3))
    for _ in range(blocks):
        cells = keras.layers.Conv2D(4, 3, 2, "same")(cells)
    backbone = keras.Model(image, cells)
    joined = join_maps(backbone, choose_taps(backbone).names)
    assert len(map_notes(replace(settings, maps="several"), joined)) == notes
    assert map_notes(settings, joined) == []
