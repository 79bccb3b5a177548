"""The predicted boxes of an export: their deviation from Keras, and what the manifest states about them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.contracts.model.model_record import BoxFidelity, BoxSpec, GoldenBox
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder, overlaps_with
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, SCORES_NAME, Precision

Floats = NDArray[np.float32]
Outputs = dict[str, Floats]
Predict = Callable[[Pixels], Outputs]

BEST_BOX = "best_box"  # name of the result of `best_boxes` among the outputs
_OVERLAP_MIN = 0.5
_DEFECT_MIN = 0.5  # score of a label from which a frame of a multilabel model has the defect
# Smallest tolerance of an edge, in pixels, and of a quality. A float32 graph differs from Keras by less than a tenth.
_PX_MIN: dict[Precision, float] = {"fp32": 0.05, "fp16": 0.5, "int8": 2.0}
_QUALITY_MIN: dict[Precision, float] = {"fp32": 0.002, "fp16": 0.01, "int8": 0.05}
_SHARE_MAX = 0.125  # of the shorter side of the input: an edge that moves more says nothing about the defect


@dataclass(frozen=True, slots=True)
class BoxReference:
    """The boxes that Keras predicts for the validation frames of a run.

    decoder: of the run. clean_at: index of the label that means "no defect", or None. multiclass: a frame has one
    label. scores: [n, labels]. boxes: result of `best_boxes`, [n, 4]. predict: Keras outputs with heatmaps and boxes.
    """

    decoder: CellBoxDecoder
    clean_at: int | None
    multiclass: bool
    scores: Floats
    boxes: Floats
    predict: Predict

    def compare(self, boxes: Floats) -> BoxFidelity:
        """Compare the best boxes of a candidate, [n, 4], on the frames that have a defect according to Keras."""
        pairs = zip(boxes[self._defective], self.boxes[self._defective], strict=True)
        overlaps = np.array([overlaps_with(mine[None], keras)[0] for mine, keras in pairs] or [1.0])
        return BoxFidelity(float((overlaps >= _OVERLAP_MIN).mean()), float(overlaps.mean()))

    @property
    def _defective(self) -> NDArray[np.bool_]:
        if self.multiclass:
            return np.asarray(self.scores.argmax(axis=1) != (-1 if self.clean_at is None else self.clean_at))
        others = self.scores if self.clean_at is None else np.delete(self.scores, self.clean_at, axis=1)
        return np.asarray((others >= _DEFECT_MIN).any(axis=1))

    def spec(self, frames: Pixels, candidate: Predict, precision: Precision) -> BoxSpec:
        """Return the part of the manifest. frames: golden frames, uint8 [n, h, w, c]. candidate: the exported model.

        Raises ExportRejectedError if a golden box of the candidate differs so much that it could not be verified.
        """
        keras = self.predict(frames)
        cells = [_best_cell(*rows, self.clean_at) for rows in zip(keras[HEATMAPS_NAME], keras[BOXES_NAME], strict=True)]
        mine = candidate(frames)[BOXES_NAME]
        differences = [np.abs(mine[n][cell] - keras[BOXES_NAME][n][cell]) for n, cell in enumerate(cells)]
        edge_px = max(float(each[:4].max()) for each in differences)
        quality = max(float(each[4]) for each in differences)
        limit = _SHARE_MAX * min(self.decoder.height_px, self.decoder.width_px)
        if not edge_px <= limit:
            raise ExportRejectedError(
                f"a predicted box of a golden frame differs from Keras by {edge_px:.3g} px, the limit is {limit:.3g}; "
                "choose a higher precision; nothing was written"
            )
        golden = [_golden_box(keras[BOXES_NAME][n], cell) for n, cell in enumerate(cells)]
        return BoxSpec(
            self.decoder.threshold,
            max(_PX_MIN[precision], 2 * edge_px),
            min(1.0, max(_QUALITY_MIN[precision], 2 * quality)),
            golden,
        )


def with_best_boxes(predict: Predict, decoder: CellBoxDecoder, clean_at: int | None, kept: Sequence[str]) -> Predict:
    """Return a function that replaces heatmaps and boxes of each frame, which are large, by its best box.

    kept: names of the other outputs to return.
    """

    def reduced(pixels: Pixels) -> Outputs:
        outputs = predict(pixels)
        return {name: outputs[name] for name in kept} | {BEST_BOX: best_boxes(outputs, decoder, clean_at)}

    return reduced


def best_boxes(outputs: Outputs, decoder: CellBoxDecoder, clean_at: int | None) -> Floats:
    """Return the best box of the best defect label of each frame, as shares of the frame, [n, 4]; 0 without a box.

    outputs: scores, heatmaps and boxes of n frames.
    """
    scores = np.array(outputs[SCORES_NAME])
    if clean_at is not None:
        scores[:, clean_at] = -1
    found = np.zeros((len(scores), 4), np.float32)
    for n, label in enumerate(scores.argmax(axis=1)):
        boxes = decoder.corners(outputs[HEATMAPS_NAME][n, ..., label], outputs[BOXES_NAME][n, :, :, label], 1)
        found[n] = boxes[0] if len(boxes) else 0
    return found


def _best_cell(heatmaps: Floats, values: Floats, clean_at: int | None) -> tuple[int, int, int]:
    """Return row, column and label of the most certain box. heatmaps: [h, w, labels]. values: [h, w, labels, 5]."""
    certainty = heatmaps * values[..., 4]
    if clean_at is not None:
        certainty[..., clean_at] = -1
    row, column, label = np.unravel_index(int(certainty.argmax()), certainty.shape)
    return int(row), int(column), int(label)


def _golden_box(values: Floats, cell: tuple[int, int, int]) -> GoldenBox:
    left, top, right, bottom, quality = values[cell].tolist()
    return GoldenBox(*cell, (left, top, right, bottom), quality)
