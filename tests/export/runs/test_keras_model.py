from pathlib import Path

import numpy as np
import pytest

from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import exported_view, load_model
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import InputError

pytestmark = pytest.mark.training


def test_the_mean_of_a_heatmap_equals_the_logit(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    model = load_model(fitted_run)
    scores, heatmaps = exported_view(model, "gap").predict(pixels, verbose=0)
    assert heatmaps.shape == (15, 2, 2, 3)
    assert np.ptp(heatmaps, axis=(1, 2)).max() > 0.01  # cells must differ for the mean to be meaningful
    logits = heatmaps.mean(axis=(1, 2))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), scores, atol=1e-5)
    np.testing.assert_allclose(scores, model.predict(pixels, verbose=0), atol=1e-5)


def test_names_an_invalid_model_file(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"cannot load .*model\.keras"):
        load_model(tmp_path)
