"""Grey and scaled decoding: training and worker see the same pixels."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.service.offline import inspect_folder
from tests.trained import FRAME_PX, INPUT_PX, random_weights, textures, tiny_fit

pytestmark = [pytest.mark.training, pytest.mark.long]

__all__ = ["random_weights", "textures"]


@pytest.fixture
def photographs(textures: Path, tmp_path: Path) -> Path:
    """Return the textures as JPEG files, as cameras send them."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for file in textures.iterdir():
        pixels = decode(file.read_bytes(), DecodeSpec(FRAME_PX, FRAME_PX, colour="grey")).pixels
        cv2.imwrite(str(folder / f"{file.stem}.jpg"), pixels)
    return folder


def test_the_worker_decodes_the_same_pixels_as_the_fit(photographs: Path, random_weights: Path, tmp_path: Path) -> None:
    from stripwatch.export.convert.export_run import ExportSettings, export_run
    from stripwatch.export.convert.verify import verify
    from stripwatch.export.runs.keras_model import load_model
    from stripwatch.training.fitting.fit import fit

    settings = tiny_fit(photographs, tmp_path / "run", weights=str(random_weights), decode="grey/2")
    run = fit(settings)
    assert run.decode == DecodeSpec(INPUT_PX, INPUT_PX, colour="grey", jpeg_scale=2)
    bundle, out = tmp_path / "model.onnx", tmp_path / "results.jsonl"
    export_run(ExportSettings(settings.out, bundle))
    assert verify(bundle).bundle.manifest.decode == read_bundle(bundle).manifest.decode == run.decode
    inspect_folder(load_settings(None, {"bundle": bundle}), photographs, out)
    results = {Path(result["frame"]["file"]).name: result for result in map(json.loads, out.read_text().splitlines())}
    files = sorted(photographs.iterdir())
    pixels = np.stack([decode(file.read_bytes(), run.decode).pixels for file in files])
    assert pixels.shape[-1] == 1
    for file, scores in zip(files, load_model(settings.out).predict(pixels, verbose=0), strict=True):
        assert list(results[file.name]["scores"].values()) == pytest.approx(list(scores), abs=1e-4)
