from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from stripwatch.export.runs.colour_facts import ColourFacts
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.run_folder import BEGUN_FILE
from stripwatch.training.datasets.dataset import DataSet, read_dataset
from stripwatch.training.fitting.checkpoint import FitIdentity
from stripwatch.training.fitting.fit_plan import choose_decode
from stripwatch.training.fitting.fit_settings import DecodeName, FitSettings, to_configuration
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
    chosen, colour, said = choose_decode(replace(settings, decode=given), dataset)
    assert chosen == replace(settings, decode=used)
    assert said.startswith(note)
    assert bool(said) == bool(note)
    assert colour is not None
    assert (colour.requested, colour.is_coloured, colour.images) == (given, coloured, 2)


def test_a_resumed_fit_keeps_its_choice(settings: FitSettings) -> None:
    dataset = saved(settings, coloured=True)
    facts = ColourFacts("auto", 0, "a.png", 8, 2, 2)
    begun = FitIdentity(
        to_configuration(settings, "folder", "float32"), "", None, None, DecodeSpec(8, 8, "grey"), facts
    )
    settings.out.mkdir()
    atomic_write(settings.out / BEGUN_FILE, msgspec.json.encode(begun))
    chosen, colour, said = choose_decode(replace(settings, resume=True), dataset)
    assert (chosen.decode, colour, said) == ("grey", facts, "decode: grey, as when the fit was started")
    explicit = choose_decode(replace(settings, resume=True, decode="rgb"), dataset)
    assert explicit[0].decode == "rgb"  # which the check of the interrupted fit then refuses


def test_a_fit_begun_by_an_earlier_version_has_no_facts_about_colour(settings: FitSettings) -> None:
    dataset = saved(settings, coloured=False)
    begun = FitIdentity(to_configuration(settings, "folder", "float32"), "", None, None, DecodeSpec(8, 8))
    record = msgspec.to_builtins(begun)
    del record["colour"]
    settings.out.mkdir()
    atomic_write(settings.out / BEGUN_FILE, msgspec.json.encode(record))
    chosen, colour, _ = choose_decode(replace(settings, resume=True), dataset)
    assert (chosen.decode, colour) == ("rgb", None)
