import keras
import numpy as np
import pytest

from stripwatch.export.runs.cell_boxes import BoxRegressor, box_tensor, cell_centres
from stripwatch.training.fitting.boxes.box_fit import BoxSamples, fit_regressor
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import CellGrid

pytestmark = pytest.mark.training

GRID = CellGrid((3.5, 7.5), (8.0, 16.0))
SPEC = DecodeSpec(32, 80)


def samples(count: int = 1500) -> BoxSamples:
    """Return cells whose features state the distances to the edges; boxes of the second label are twice as large."""
    rng = np.random.default_rng(5)
    centres = cell_centres(GRID, 4, 5).reshape(-1, 2)[rng.integers(20, size=count)]
    shown = rng.uniform(0.5, 2, (count, 4)).astype(np.float32)
    labels = rng.integers(2, size=count)
    distances = shown * (16, 8, 16, 8) * (1 + labels[:, None])
    edges = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1).astype(np.float32)
    return BoxSamples(40 + 30 * np.log(shown), centres, edges, labels, np.ones(count, np.float32))


def test_learns_the_boxes_of_each_label_from_features_on_any_scale() -> None:
    made = samples()
    regressor = fit_regressor(made, 2, GRID.step_px, seed=3)
    hidden = np.maximum(made.features @ regressor.hidden_kernel + regressor.hidden_bias, 0)
    values = (hidden @ regressor.kernel + regressor.bias).reshape(-1, 2, 5)
    own = values[np.arange(len(values)), made.labels]
    ratios = np.exp(own[:, :4]) * (16, 8, 16, 8) / made.distances
    assert np.median(np.abs(np.log(ratios))) < 0.2
    assert np.median(1 / (1 + np.exp(-own[:, 4]))) > 0.6  # it expects its boxes to fit


def test_a_fit_can_be_repeated() -> None:
    first, second = (fit_regressor(samples(100), 2, GRID.step_px, seed=3) for _ in range(2))
    np.testing.assert_allclose(first.kernel, second.kernel, atol=1e-4)


def test_the_exported_layers_give_edges_in_pixels_clipped_to_the_input() -> None:
    # The only feature is the logarithm of the distance in cells, of the first label; the second has 1 cell everywhere.
    regressor = BoxRegressor(
        np.array([[1, -1]], np.float32),
        np.zeros(2, np.float32),
        np.array([[1] * 4 + [0] * 6, [-1] * 4 + [0] * 6], np.float32),
        np.array([0] * 9 + [np.log(3)], np.float32),
    )
    cells = keras.Input((4, 5, 1))
    model = keras.Model(cells, box_tensor(regressor, cells, GRID, SPEC))
    features = np.zeros((2, 4, 5, 1), np.float32)
    features[1] = np.log(2)
    found = model.predict(features, verbose=0)
    assert found.shape == (2, 4, 5, 2, 5)
    # The cell in row 1 and column 2 has its centre 40 px across and 12 px down.
    np.testing.assert_allclose(found[0, 1, 2, 0], [24, 4, 56, 20, 0.5], atol=1e-4)
    np.testing.assert_allclose(found[1, 1, 2, 0], [8, 0, 72, 28, 0.5], atol=1e-4)
    np.testing.assert_allclose(found[1, 1, 2, 1], [24, 4, 56, 20, 0.75], atol=1e-4)
    assert found[..., [0, 2]].max() <= 80
    assert found[..., [1, 3]].max() <= 32
    assert found[..., :4].min() >= 0
