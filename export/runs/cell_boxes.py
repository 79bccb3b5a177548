"""The box regressor of a run: it predicts from the feature map which box the defect at each cell has.

Two 1x1 convolutions on the feature map give, for each label, the distances from the centre of the cell to the four
edges of the box and the quality of the box, as in FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355). They read
the map that the head reads, so that the exported graph still has one forward pass.
"""

import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.boxes.cell_boxes import VALUES
from stripwatch.worker.model.bundle import CellGrid

Array = NDArray[np.float32]
BOXES_SCHEMA = "stripwatch.boxes/1"
EXPONENT_MAX = 4.0  # a distance is at most exp(4) cells, which no feature map has


@dataclass(frozen=True, slots=True, eq=False)
class BoxRegressor:
    """Weights of the two convolutions.

    The five values of label i are outputs 5 i to 5 i + 4 of the second one: logarithms of the distances to the left,
    top, right and bottom edge, in cells, and the logit of the quality. hidden_kernel: [c, k]. hidden_bias: [k]. kernel:
    [k, 5 labels]. bias: [5 labels].
    """

    hidden_kernel: Array
    hidden_bias: Array
    kernel: Array
    bias: Array

    @property
    def labels(self) -> int:
        """Return the number of labels."""
        return len(self.bias) // VALUES

    def write(self, path: Path) -> None:
        """Write the weights to an .npz file. Raises InputError, with the path, if it cannot be written."""
        data = io.BytesIO()
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(data, schema=BOXES_SCHEMA, **arrays)
        atomic_write(path, data.getvalue())

    @classmethod
    def read(cls, path: Path) -> "BoxRegressor":
        """Read the weights. Raises InputError, with the path, if the file cannot be read or is malformed."""
        try:
            with np.load(io.BytesIO(read_whole(path)), allow_pickle=False) as file:
                arrays = dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read {path}: it is not an .npz file ({error}); fit the model again") from error
        names = [field.name for field in fields(cls)]
        if str(arrays.pop("schema", "")) != BOXES_SCHEMA or sorted(arrays) != sorted(names):
            raise InputError(f"{path} is not a box regressor of schema {BOXES_SCHEMA!r}; fit the model again")
        found = cls(**arrays)
        c_k, k, k_n, n = (arrays[name].shape for name in names)
        if not (len(c_k) == 2 and c_k[1:] == k and k_n == (*k, *n) and n[0] % VALUES == 0):
            raise InputError(f"{path} is malformed: its shapes do not fit each other; fit the model again")
        if not all(np.isfinite(each).all() for each in arrays.values()):
            raise InputError(f"{path} is malformed: a weight is not finite; fit the model again")
        return found


def cell_centres(grid: CellGrid, rows: int, columns: int) -> Array:
    """Return the centre of each cell, across and down, in pixels of the model input from its edge: [h, w, 2].

    The pixel centres of a grid have integer coordinates, whereas the edges of a box lie between pixels.
    """
    (first_y, first_x), (step_y, step_x) = grid.first_px, grid.step_px
    down, across = first_y + step_y * np.arange(rows) + 0.5, first_x + step_x * np.arange(columns) + 0.5
    return np.stack(np.meshgrid(across, down), axis=-1).astype(np.float32)


def box_tensor(regressor: BoxRegressor, cells: Any, grid: CellGrid, spec: DecodeSpec) -> Any:
    """Return the boxes as a Keras tensor, float32 [n, h, w, labels, 5]: see `cell_boxes.VALUES`.

    cells: feature map of a Keras model, [n, h, w, c]. The edges are clipped to the model input. grid, spec: of the run.
    """
    import keras

    ops = keras.ops
    rows, columns = cells.shape[1:3]
    centres = np.concatenate([cell_centres(grid, rows, columns)] * 2, axis=-1)[:, :, None]  # [h, w, 1, 4]
    (step_y, step_x), size = grid.step_px, (spec.width_px, spec.height_px)
    signed = np.array([-step_x, -step_y, step_x, step_y], np.float32)
    limits = np.array(size * 2, np.float32)

    class Corners(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
        """Turns the values of the second convolution into edges and qualities."""

        def call(self, values: Any) -> Any:
            values = ops.reshape(values, (-1, rows, columns, regressor.labels, VALUES))
            distances = ops.exp(ops.clip(values[..., :4], -EXPONENT_MAX, EXPONENT_MAX)) * signed
            edges = ops.minimum(ops.maximum(centres + distances, 0.0), limits)
            return ops.concatenate([edges, ops.sigmoid(values[..., 4:])], axis=-1)

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], rows, columns, regressor.labels, VALUES)

    # Named, because Keras restarts the numbering of layers in each process.
    hidden = keras.layers.Conv2D(
        regressor.hidden_kernel.shape[1], 1, activation="relu", name="cell_boxes_hidden", dtype="float32"
    )
    values = keras.layers.Conv2D(regressor.kernel.shape[1], 1, name="cell_boxes_values", dtype="float32")
    found = Corners(name="cell_boxes", dtype="float32")(values(hidden(cells)))
    hidden.set_weights([regressor.hidden_kernel[None, None], regressor.hidden_bias])
    values.set_weights([regressor.kernel[None, None], regressor.bias])
    return found
