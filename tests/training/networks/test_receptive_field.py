import keras
import numpy as np
import pytest
import tensorflow as tf

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.receptive_field import cell_grid
from stripwatch.worker.model.bundle import CellGrid

pytestmark = pytest.mark.training


def seen_by(backbone: keras.Model, row: int, column: int) -> tuple[float, float]:
    """Return the centre of the pixels that a cell depends on, found by its gradient."""
    frames = tf.Variable(np.random.default_rng(0).normal(0, 1, (1, *backbone.input_shape[1:])).astype(np.float32))
    with tf.GradientTape() as tape:
        cell = tf.reduce_sum(backbone(frames)[0, row, column] ** 2)
    reached = np.abs(tape.gradient(cell, frames).numpy()[0]).sum(-1) > 0
    rows, columns = np.nonzero(reached.any(1))[0], np.nonzero(reached.any(0))[0]
    assert rows[0] > 0 < columns[0], "the receptive field reaches the border: choose an earlier cut"
    assert rows[-1] < reached.shape[0] - 1
    assert columns[-1] < reached.shape[1] - 1
    return (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2


@pytest.mark.parametrize(
    ("name", "shape", "cut"),
    [
        ("vgg19", (96, 128), "block3_pool"),
        ("mobilenet", (96, 128), "conv_pw_5_relu"),
        ("mobilenet", (97, 131), "conv_pw_5_relu"),
        ("inceptionv3", (139, 171), "max_pooling2d_1"),
        ("xception", (127, 96), "before:block4_sepconv1_act"),
        ("resnet50v2", (128, 128), "conv2_block3_out"),
        ("densenet121", (128, 128), "pool2_pool"),
    ],
)
def test_the_grid_matches_the_receptive_fields(name: str, shape: tuple[int, int], cut: str) -> None:
    keras.backend.clear_session()  # the names of InceptionV3 layers contain a global counter
    backbone = build_backbone(find_network(name), (*shape, 3), 1.0, "none", cut)
    grid = cell_grid(backbone)
    _, rows, columns, _ = backbone.output_shape
    for row, column in ((rows // 2, columns // 2), (rows // 2, columns // 2 + 1)):
        expected = tuple(f + s * at for f, s, at in zip(grid.first_px, grid.step_px, (row, column), strict=True))
        assert seen_by(backbone, row, column) == pytest.approx(expected, abs=1)


def test_a_branch_that_depends_on_the_whole_image_does_not_change_the_grid() -> None:
    pixels = keras.Input((32, 48, 3))
    cells = keras.layers.Conv2D(4, 3, 2, "same")(pixels)
    factor = keras.layers.Reshape((1, 1, 4))(keras.layers.GlobalAveragePooling2D()(cells))
    weighed = keras.layers.multiply([factor, cells])
    assert cell_grid(keras.Model(pixels, weighed)) == CellGrid((1.0, 1.0), (2.0, 2.0))
