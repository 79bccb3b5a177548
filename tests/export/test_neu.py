"""The whole way on real photographs: train, export, and ask the worker's session."""

import math
from pathlib import Path

import numpy as np
import pytest

from export.frames import read_pixels
from export.model import load_model
from export.run import ExportSettings, export_run
from export.runfolder import read_run
from export.verify import verify
from training.fit import fit
from training.fitsettings import FitSettings
from worker.bundle import read_bundle
from worker.session import open_session

pytestmark = pytest.mark.training


def test_neu_from_photographs_to_the_same_labels_in_the_worker(shared: Path, tmp_path: Path) -> None:
    data, weights = shared / "data" / "neu-det", shared / "weights" / "mobilenet_2_5_224_tf_no_top.h5"
    run = fit(FitSettings(data, tmp_path / "run", "mobilenet", alpha=0.25, weights=str(weights), seed=1))
    assert run.validation.accuracy >= 0.97
    assert run.validation.frames == 312
    export_run(ExportSettings(tmp_path / "run", tmp_path / "model.onnx"))
    assert verify(tmp_path / "model.onnx").golden_difference <= 5e-5

    read = read_run(tmp_path / "run")
    pixels = read_pixels(data, read.split.validation, read.decode)
    keras = load_model(tmp_path / "run").predict(pixels, verbose=0)
    session = open_session(read_bundle(tmp_path / "model.onnx"), "cpu", batch_frames_max=2)
    worker = np.concatenate([session.predict(pixels[at : at + 24]).scores for at in range(0, len(pixels), 24)])
    np.testing.assert_array_equal(worker.argmax(axis=1), keras.argmax(axis=1))
    right = [
        read.labels[answer] == frame.label
        for answer, frame in zip(worker.argmax(1), read.split.validation, strict=True)
    ]
    assert math.isclose(np.mean(right), run.validation.accuracy)
    together = [
        {"patches_101.jpg", "patches_105.jpg"} & {Path(frame.name).stem + ".jpg" for frame in part}
        for part in (read.split.train, read.split.validation)
    ]
    assert sorted(map(len, together)) == [0, 2]  # the same photograph twice
