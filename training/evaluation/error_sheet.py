"""Contact sheet of the worst errors: each image next to the same image with a heatmap."""

import cv2
import keras
import numpy as np

from stripwatch.export.reporting.figures import Tile, decode_tile, draw_sheet
from stripwatch.export.runs.frames import read_frame
from stripwatch.export.runs.keras_model import exported_view
from stripwatch.export.runs.predicted_labels import Flags, predicted_labels
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.evaluation.predictions import ScoredFrames
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.heatmaps import Heatmap

_TILES_MIN, _TILES_MAX = 8, 20
_STRENGTH = 0.45


def draw_error_sheet(model: keras.Model, run: Run, measured: ScoredFrames) -> bytes:
    """Return a PNG with the most confident wrong predictions first, then the least confident correct ones."""
    wrong, positions = pick_worst(run, measured)
    title = f"{wrong} of {len(measured.frames)} wrong. Worst errors first, then the least confident correct predictions"
    view = exported_view(model, run.configuration.head)
    return draw_sheet(title, [_tile(view, run, measured, at) for at in positions])


def pick_worst(run: Run, measured: ScoredFrames) -> tuple[int, list[int]]:
    """Return the number of wrong frames, and the positions of the frames to show.

    Wrong frames come first. Both parts are sorted by the largest distance of a score from its target.
    """
    distance = np.abs(measured.targets - measured.scores).max(axis=1)
    wrong = ~measured.right(run)
    order = np.lexsort((-distance, ~wrong))
    count = int(wrong.sum())
    return count, [int(at) for at in order[: min(max(count, _TILES_MIN), _TILES_MAX)]]


def _tile(view: keras.Model, run: Run, measured: ScoredFrames, at: int) -> Tile:
    encoded = read_frame(measured.root, measured.frames[at])
    picture = decode_tile(encoded, run.decode)
    shown = _label_shown(run, measured, at)
    decoder = run.heatmap_decoder
    if decoder is not None:
        heatmaps = view.predict_on_batch(decode(encoded, run.decode).pixels[None])[1][0]
        coloured = overlay(picture, decoder.enlarge(np.ascontiguousarray(heatmaps[..., shown])))
        picture = np.concatenate([picture, coloured], axis=0 if picture.shape[1] > 2 * picture.shape[0] else 1)
    return Tile(picture, caption(run, measured, at))


def _label_shown(run: Run, measured: ScoredFrames, at: int) -> int:
    """Return the index of the label whose heatmap is shown: the predicted one, or in multilabel the most wrong one."""
    scores = measured.scores[at]
    distance = np.abs(measured.targets[at] - scores)
    return int((scores if run.configuration.label_task == "multiclass" else distance).argmax())


def caption(run: Run, measured: ScoredFrames, at: int) -> str:
    """Return a caption with name, true labels and predicted labels, each label with its score."""
    scores = measured.scores[at]

    def scored(flags: Flags) -> str:
        return ", ".join(f"{run.labels[label]} {scores[label]:.3f}" for label in np.flatnonzero(flags)) or "no label"

    predicted = scored(predicted_labels(measured.scores[at : at + 1], run.configuration.label_task)[0])
    lines = [measured.frames[at].name, f"true: {scored(measured.targets[at] > 0)}", f"predicted: {predicted}"]
    if run.configuration.label_task == "multilabel":
        label = _label_shown(run, measured, at)
        lines.append(f"heatmap: {run.labels[label]} {scores[label]:.3f}")
    return "\n".join(lines)


def overlay(picture: Pixels, heatmap: Heatmap) -> Pixels:
    """Return the picture with a heatmap drawn over it, uint8 [h, w, 3]. Values near 1 are red, 0 is transparent.

    heatmap: any size, values 0 to 1.
    """
    level = np.asarray(255 * heatmap.clip(0, 1), np.uint8)
    smooth = cv2.resize(level, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    colour = cv2.cvtColor(cv2.applyColorMap(smooth, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    strength = _STRENGTH * smooth[..., None] / 255
    return np.asarray(picture * (1 - strength) + colour * strength, np.uint8)
