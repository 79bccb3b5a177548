"""Synthetic defects for golden frames: a line that has only good strip has no frame of a defect.

After CutPaste (Li et al. 2021, https://arxiv.org/abs/2104.04015): a part of a frame, turned and with another
brightness, is pasted at another place of the same frame. They test an export and its bundle; no model is trained on
them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stripwatch.export.convert.validation_scores import ScoredValidation, Scores
from stripwatch.export.runs.frames import read_frame
from stripwatch.export.runs.predicted_labels import Flags
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.model.bundle import GoldenFrame

Predict = Callable[[Pixels], Scores]
_FRAMES = 48
_BATCH = 8
_CHOSEN = 2
_MARGIN_MIN = 0.12  # of the score of an anomaly over the other one, so that no rounding can change the label
_SIDE_SHARES = (0.15, 0.45)  # of the shorter side of the frame
_BRIGHTNESS = ((0.35, 0.65), (1.5, 2.2))


@dataclass(frozen=True, slots=True)
class SyntheticDefects:
    """Clean validation frames of an anomaly run with synthetic defects, and their scores.

    frames: as golden frames, with the scores of Keras. label_at: index of the label of anomalies. spec: of the frames.
    """

    frames: list[GoldenFrame]
    label_at: int
    spec: DecodeSpec

    @classmethod
    def make(
        cls, validation: ScoredValidation, clean: list[int], label_at: int, predict: Predict
    ) -> "SyntheticDefects":
        """Add a synthetic defect to clean frames. The names of the frames begin with "synthetic/".

        There are none without clean frames.

        Args:
            validation: The validation frames of an anomaly run.
            clean: Positions of clean frames among them.
            label_at: Index of the label of anomalies.
            predict: Returns the scores of Keras, float32 [n, labels], for frames, uint8 [n, h, w, c].
        """
        run, named = validation.run, list(_candidates(validation, clean))
        scores = _predict([encoded for _, encoded in named], run.decode, predict) if named else ()
        frames = [
            GoldenFrame(f"synthetic/{name}", run.labels[label_at], encoded, row.tolist())
            for (name, encoded), row in zip(named, scores, strict=True)
        ]
        return cls(frames, label_at, run.decode)

    @property
    def clear(self) -> Flags:
        """Return which frames Keras calls an anomaly by a clear margin, bool [n]."""
        return np.asarray(self._margins > _MARGIN_MIN)

    def compare(self, predict: Predict, difference_max: float, agreement_min: float) -> "ReproducedDefects":
        """Compare an exported model with Keras on these frames.

        predict: as for `make`, by the exported model. difference_max: largest score difference of a golden frame.
        agreement_min: smallest share of frames that have the same label, of those that have a clear one by Keras.
        """
        if not self.frames:
            return NONE_REPRODUCED
        scores = _predict([frame.encoded for frame in self.frames], self.spec, predict)
        keras = np.array([frame.scores for frame in self.frames], np.float32)
        differences = np.abs(scores - keras).max(axis=1)
        violations = []
        decided = np.abs(self._margins) > _MARGIN_MIN
        same = (scores.argmax(axis=1) == keras.argmax(axis=1))[decided]
        if len(same) and same.mean() < agreement_min:
            violations.append(
                f"agreement with Keras on {len(same)} synthetic defects is {same.mean():.4f}, the minimum is "
                f"{agreement_min:g}"
            )
        order = [int(at) for at in np.argsort(-self._margins) if self.clear[at]]
        close = [at for at in order if differences[at] <= difference_max][:_CHOSEN]
        if order and not close:
            violations.append(
                f"score difference of every synthetic defect is over {difference_max:g}, the limit of golden frames"
            )
        largest = float(differences[close].max()) if close else 0.0
        return ReproducedDefects([self.frames[at] for at in close], largest, violations)

    @property
    def _margins(self) -> Scores:
        if not self.frames:
            return np.empty(0, np.float32)
        scores = np.array([frame.scores for frame in self.frames], np.float32)
        others = np.delete(scores, self.label_at, axis=1).max(axis=1)
        return np.asarray(scores[:, self.label_at] - others, np.float32)


@dataclass(frozen=True, slots=True)
class ReproducedDefects:
    """Synthetic defects that an exported model scores as Keras does.

    frames: at most 2, for the bundle. difference: their largest score difference. violations: a text for each limit
    that the exported model violates.
    """

    frames: list[GoldenFrame]
    difference: float
    violations: list[str]


NONE_REPRODUCED = ReproducedDefects([], 0.0, [])


def _predict(encoded: Sequence[bytes], spec: DecodeSpec, predict: Predict) -> Scores:
    """Return the scores of encoded frames, float32 [n, labels]."""
    parts = [encoded[at : at + _BATCH] for at in range(0, len(encoded), _BATCH)]
    return np.concatenate([predict(np.stack([decode(each, spec).pixels for each in part])) for part in parts])


def _candidates(validation: ScoredValidation, clean: list[int]) -> Iterator[tuple[str, bytes]]:
    if not clean:
        return
    rng = np.random.default_rng(validation.run.configuration.seed)
    for number in range(_FRAMES):
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
