"""Synthetic defects for golden frames: a line that has only good strip has no frame of a defect.

After CutPaste (Li et al. 2021, https://arxiv.org/abs/2104.04015): a part of a frame, turned and with another
brightness, is pasted at another place of the same frame. They test a bundle; no model is trained on them.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from stripwatch.export.convert.validation_scores import ScoredValidation, Scores
from stripwatch.export.runs.frames import read_frame
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.model.bundle import GoldenFrame

_TRIES = 48
_CHOSEN = 2
_MARGIN_MIN = 0.5  # of the score of an anomaly over the other one, so that no rounding can change the label
_SIDE_SHARES = (0.15, 0.45)  # of the shorter side of the frame
_BRIGHTNESS = ((0.35, 0.65), (1.5, 2.2))


def synthetic_golden(
    validation: ScoredValidation, clean: list[int], label_at: int, predict: Callable[[Pixels], Pixels]
) -> list[GoldenFrame]:
    """Return golden frames with synthetic defects, those that the model scores highest first.

    Their names begin with "synthetic/". The list is empty if the model finds none of them by a clear margin, and if
    there are no clean frames.

    Args:
        validation: The validation frames of an anomaly run.
        clean: Positions of clean frames among them.
        label_at: Index of the label of anomalies.
        predict: Returns the scores of Keras, float32 [n, labels], for frames, uint8 [n, h, w, c].
    """
    run, found = validation.run, list[tuple[float, GoldenFrame]]()
    for name, encoded in _candidates(validation, clean):
        scores = predict(decode(encoded, run.decode).pixels[None])[0]
        margin = float(scores[label_at] - np.delete(scores, label_at).max())
        if margin >= _MARGIN_MIN:
            frame = GoldenFrame(f"synthetic/{name}", run.labels[label_at], encoded, [float(each) for each in scores])
            found.append((margin, frame))
        if len(found) == _CHOSEN:
            break
    return [frame for _, frame in sorted(found, key=lambda each: -each[0])]


def keep_similar(
    frames: Sequence[GoldenFrame], spec: DecodeSpec, predict: Callable[[Pixels], Scores], difference_max: float | None
) -> tuple[list[GoldenFrame], float]:
    """Return the frames that an exported model scores like Keras, and the largest difference among them.

    Args:
        frames: Golden frames with the scores of Keras.
        spec: How they are decoded.
        predict: Returns the scores of the exported model, float32 [n, labels], for frames, uint8 [n, h, w, c].
        difference_max: Largest score difference, 0 to 1, that a frame may have; None for no limit.
    """
    kept, largest = list[GoldenFrame](), 0.0
    for frame in frames:
        scores = predict(decode(frame.encoded, spec).pixels[None])[0]
        difference = float(np.abs(scores - np.asarray(frame.scores, np.float32)).max())
        if difference_max is None or difference <= difference_max:
            kept.append(frame)
            largest = max(largest, difference)
    return kept, largest


def _candidates(validation: ScoredValidation, clean: list[int]) -> Iterator[tuple[str, bytes]]:
    if not clean:
        return
    rng = np.random.default_rng(validation.run.configuration.seed)
    for number in range(_TRIES):
        frame = validation.run.split.validation[clean[number % len(clean)]]
        encoded = read_frame(validation.root, frame)
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            continue
        jpeg = Path(frame.name).suffix.lower() in (".jpg", ".jpeg")
        suffix = ".jpg" if jpeg else ".png"
        options = [cv2.IMWRITE_JPEG_QUALITY, 95] if jpeg else []
        done, image = cv2.imencode(suffix, paste_part(np.asarray(pixels), rng), options)
        if done:
            yield f"{Path(frame.name).stem}_{number}{suffix}", image.tobytes()


def paste_part(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a frame with a turned part of itself, darker or brighter, at another place.

    pixels: [h, w] or [h, w, c], of an unsigned integer type.
    """
    height, width = pixels.shape[:2]
    short = min(height, width)
    side_y, side_x = (max(2, int(rng.uniform(*_SIDE_SHARES) * short)) for _ in range(2))
    top, left = int(rng.integers(height - side_y + 1)), int(rng.integers(width - side_x + 1))
    part = np.rot90(pixels[top : top + side_y, left : left + side_x], int(rng.integers(1, 4))).astype(np.float64)
    limit = np.iinfo(pixels.dtype).max
    part = np.clip(part * rng.uniform(*_BRIGHTNESS[int(rng.integers(2))]), 0, limit)
    down, across = (int(rng.integers(size - part_size + 1)) for size, part_size in
                    zip((height, width), part.shape[:2], strict=True))  # fmt: skip
    changed = pixels.copy()
    changed[down : down + part.shape[0], across : across + part.shape[1]] = part.astype(pixels.dtype)
    return changed
