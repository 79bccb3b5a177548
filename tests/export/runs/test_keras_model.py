from pathlib import Path

import numpy as np
import pytest

from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import exported_view, load_model, view_outputs
from stripwatch.export.runs.novelty import NoveltyDetector
from stripwatch.export.runs.run_folder import Head, read_run
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.worker.common.errors import InputError
from tests.distances import relative_distance
from tests.lively import frames_of, lively_classifier

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


@pytest.mark.parametrize("head", ["gap", "dense", "paper-baseline"])
def test_a_detector_adds_the_novelty_score_and_leaves_the_scores_as_they_are(head: Head) -> None:
    frames = frames_of(160, 4)
    model = lively_classifier("mobilenet", frames, head, "multiclass", alpha=0.25)
    taps = ("conv_pw_5_relu", "conv_pw_11_relu")
    detector = NoveltyDetector(taps, ("mean", "mean"), relative_distance(192, 3))
    plain, view = exported_view(model, head), exported_view(model, head, detector)
    assert view_outputs(head, detector) == [*view_outputs(head), "novelty"]
    found, *others = view.predict(frames, verbose=0)
    np.testing.assert_array_equal(found, model.predict(frames, verbose=0))
    maps = with_taps(model, taps).predict(frames, verbose=0)[1:]
    np.testing.assert_allclose(others[-1], detector.score([each.mean(axis=(1, 2)) for each in maps]), rtol=1e-3)
    if head != "paper-baseline":
        np.testing.assert_array_equal(others[0], plain.predict(frames, verbose=0)[1])
