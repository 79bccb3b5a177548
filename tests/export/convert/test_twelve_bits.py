"""End-to-end test of 12-bit frames: survey, fit, evaluate, export, verify, inspect."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.verify import verify
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.service.offline import inspect_folder
from tests.tiny import write_bundle
from tests.trained import tiny_fit

pytestmark = [pytest.mark.training, pytest.mark.long]


@pytest.fixture
def twelve_bits(textures: Path, tmp_path: Path) -> Path:
    """The textures as stored by a 12-bit camera: unscaled, in 16-bit files that declare no depth."""
    out = tmp_path / "twelve"
    out.mkdir()
    for path in textures.glob("*.png"):
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        cv2.imwrite(str(out / path.name), pixels.astype(np.uint16) * 16)
    return out


def test_the_worker_decodes_twelve_bit_frames_as_in_training(
    twelve_bits: Path, textures: Path, random_weights: Path, tmp_path: Path
) -> None:
    from stripwatch.training import EvaluateSettings, evaluate, fit
    from stripwatch.training.survey.survey import survey

    assert survey(twelve_bits, "auto").bit_depth == 12
    usual = {"weights": str(random_weights), "seed": 3, "val_share": 0.25, "epochs": 60, "learning_rate": 0.1}
    usual |= {"dropout": 0.0, "clean_label": "plain"}
    with pytest.raises(DataError, match=r"files do not declare a depth: 60 of 60 files.* --bit-depth 12$"):
        fit(tiny_fit(twelve_bits, tmp_path / "refused", **usual))
    run = fit(tiny_fit(twelve_bits, tmp_path / "run", bit_depth=12, **usual))
    assert read_run(tmp_path / "run").decode == DecodeSpec(64, 64, "grey", bit_depth=12)
    evaluate(EvaluateSettings(tmp_path / "run"))
    export_run(ExportSettings(tmp_path / "run", tmp_path / "model.onnx"))
    verify(tmp_path / "model.onnx")

    manifest = read_bundle(tmp_path / "model.onnx").manifest
    assert manifest.decode == run.decode
    for golden in manifest.golden:
        assert read_header(golden.encoded).bits == 16
        eight = (textures / golden.name).read_bytes()
        np.testing.assert_array_equal(
            decode(golden.encoded, manifest.decode).pixels, decode(eight, DecodeSpec(64, 64, "grey")).pixels
        )

    found = _inspect(tmp_path / "model.onnx", twelve_bits, tmp_path / "twelve.jsonl")
    eight_bits = _inspect(tmp_path / "model.onnx", textures, tmp_path / "eight.jsonl")
    for event, as_eight_bits in zip(found, eight_bits, strict=True):  # batch sizes may differ
        assert event["scores"] == pytest.approx(as_eight_bits["scores"], abs=1e-5)
    assert [event["verdict"] for event in found] == [event["verdict"] for event in eight_bits]
    right = [event["label"] == event["frame"]["file"].split("_")[0] for event in found]
    assert sum(right) >= 0.95 * len(right)

    flagged = _inspect(write_bundle(tmp_path / "untold.onnx"), twelve_bits, tmp_path / "flagged.jsonl")
    assert {event["verdict"] for event in flagged} == {"unsure"}  # this bundle has no bit depth


def _inspect(bundle: Path, frames: Path, out: Path) -> list[dict[str, Any]]:
    inspect_folder(load_settings(None, {"bundle": bundle}), frames, out)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_levels_come_from_the_training_frames(twelve_bits: Path, random_weights: Path, tmp_path: Path) -> None:
    from stripwatch.training import fit

    settings = tiny_fit(twelve_bits, tmp_path / "run", bit_depth=12, levels="auto", weights=str(random_weights))
    levels = fit(settings).decode.levels
    assert levels is not None
    assert 0 <= levels.black < 0.3 < 0.6 < levels.white <= 1
    again = fit(tiny_fit(twelve_bits, tmp_path / "again", bit_depth=12, levels="auto", weights=str(random_weights)))
    assert again.decode.levels == levels
    given = fit(tiny_fit(twelve_bits, tmp_path / "given", bit_depth=12, levels="0.1,0.9", weights=str(random_weights)))
    assert given.decode.levels == Levels(0.1, 0.9)
