from pathlib import Path
from typing import get_args

import pytest

from stripwatch.training.fitting.fit_settings import DecodeName, FitSettings, check
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.images.decode_spec import DecodeSpec


@pytest.mark.parametrize("name", get_args(DecodeName))
def test_every_decode_option_is_supported_by_the_worker(name: DecodeName) -> None:
    spec = FitSettings(Path("data"), Path("out"), "mobilenet", width_px=800, decode=name).decode_spec(224)
    assert spec == DecodeSpec(224, 800, colour=spec.colour, jpeg_scale=spec.jpeg_scale)
    assert spec.name == name.replace("auto", "rgb")  # before the images were searched for colour


@pytest.mark.parametrize("scales", [(), (0.5,), (0.5, 0.4, 2.0)])
def test_accepts_one_scale_or_one_per_folder(scales: tuple[float, ...]) -> None:
    check(FitSettings(Path("a"), Path("out"), "mobilenet", also=(Path("b"), Path("c")), mm_per_px=scales))


@pytest.mark.parametrize("scales", [(0.5, 0.4), (0.0,), (-1.0,), (float("nan"),), (float("inf"),)])
def test_rejects_surplus_or_invalid_scales(scales: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="--mm-per-px"):
        check(FitSettings(Path("a"), Path("out"), "mobilenet", also=(Path("b"), Path("c")), mm_per_px=scales))
