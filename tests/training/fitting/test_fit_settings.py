from pathlib import Path
from typing import get_args

import pytest

from stripwatch.training.fitting.fit_settings import DecodeName, FitSettings
from stripwatch.worker.images.decode_spec import DecodeSpec


@pytest.mark.parametrize("name", get_args(DecodeName))
def test_every_way_to_decode_is_one_the_worker_has(name: DecodeName) -> None:
    spec = FitSettings(Path("data"), Path("out"), "mobilenet", width_px=800, decode=name).decode_spec(224)
    assert spec == DecodeSpec(224, 800, colour=spec.colour, jpeg_scale=spec.jpeg_scale)
    assert spec.name == name
