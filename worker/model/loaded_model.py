"""A loaded bundle, with everything that is replaced together with it on a model reload."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.contracts.events import FrameFlag, ModelInfo
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode import Reserve, no_reserve
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.model.batch_policy import BatchPolicy
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.model.inspection import Inspection, interpret, valid_novelty, valid_scores
from stripwatch.worker.model.reference import Reference
from stripwatch.worker.model.session import Output, Session
from stripwatch.worker.model.trained_range import SizeCheck
from stripwatch.worker.model.verdict import DecisionPolicy

P = ParamSpec("P")
T = TypeVar("T")


class FrameDecoder(Protocol):
    """Decodes an image file, or a raw buffer with its layout, into the input of the session. Raises FrameRejected.

    reserve: as in `decode`.
    """

    def __call__(self, encoded: bytes, layout: RawLayout | None = None, reserve: Reserve = no_reserve, /) -> Image: ...


class ColourMeter(Protocol):
    """Measures the colour of a frame as `images.colour.measure_colour`; reserve as for `decode`."""

    def __call__(self, frame: Frame, reserve: Reserve = no_reserve, /) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A verified, warmed-up model with its decoder, batch policy and thresholds.

    Each frame keeps a reference to the model that was current when it arrived, so a frame is never decoded for one
    model and classified by another. The memory of a replaced model is freed when its last frame is done. Models compare
    equal only if they are the same object.

    Attributes:
        info: Model information for events.
        session: ONNX Runtime session.
        decode: Decodes encoded bytes into the input of the session; raises FrameRejected.
        batch_policy: Chooses batch sizes and linger times.
        policy: Thresholds and calibration.
        heatmap_decoder: Converts heatmaps to boxes; None without heatmaps.
        reference: Statistics for drift; None if the bundle has none.
        measure_colour: Measures the colour of a frame, which the model does not see, see `images.colour`; raises
            FrameRejected. None unless the model decodes to grey and was trained on images without colour.
        size_check: Compares decoded frames with the training frames.
        camera_limits: Limits of image statistics beyond which the model is not reliable; None if the bundle has none.
    """

    info: ModelInfo
    session: Session
    decode: FrameDecoder
    batch_policy: BatchPolicy
    policy: DecisionPolicy
    heatmap_decoder: HeatmapDecoder | None
    reference: Reference | None = None
    measure_colour: ColourMeter | None = None
    size_check: SizeCheck = field(default_factory=SizeCheck)
    camera_limits: Mapping[str, CameraLimit] | None = None

    def decode_frame(self, frame: Frame, reserve: Reserve = no_reserve) -> Image:
        """Decode a frame from a camera, and flag it if its size or scale differs from the training frames.

        reserve: as in `decode`. Raises FrameRejected or MemoryError.
        """
        return self.size_check.apply(self.decode(frame.encoded, frame.layout, reserve), frame.camera)

    def inspect(self, encoded: bytes) -> Inspection:
        """Inspect one frame.

        Thread-safe; the model itself runs one batch at a time.

        Args:
            encoded: A whole image file: JPEG, PNG, BMP, TIFF (8 to 16 bits, one page) or WebP. At most 36,000,000 bytes
                and 36,000,000 pixels, and at least 8 pixels a side, unless the settings of the model say otherwise.

        Returns:
            The verdict, the scores of all labels (0 to 1), and the defects with their boxes in pixels of the image.

        Raises:
            FrameRejected: The bytes are not such an image, or the model gave no valid score for it.
            InferenceError: ONNX Runtime failed.

        Example:
            >>> result = model.inspect(Path("strip.jpg").read_bytes())
            >>> result.verdict, result.label, result.score
            ('defect', 'scratches', 0.997412)
            >>> result.defects[0].box_px
            Box(x=12, y=80, width=140, height=22)
        """
        return self.inspect_image(self._decode(encoded))

    def inspect_batch(self, encoded: Sequence[bytes]) -> list[Inspection]:
        """Inspect several frames, in batches of the size that was fastest during warm-up.

        The frames may differ in size. Scores may differ from those of `inspect` in the sixth decimal place, because
        ONNX Runtime sums in a different order. Thread-safe.

        Args:
            encoded: Image files, as for `inspect`.

        Returns:
            One result for each frame, in the same order; an empty list for no frames.

        Raises:
            FrameRejected: A frame cannot be inspected. The detail names the first such frame by its index from 0. No
                results are returned for the other frames: leave the frame out, or call `inspect` for each frame.
            InferenceError: ONNX Runtime failed.

        Example:
            >>> results = model.inspect_batch([path.read_bytes() for path in sorted(Path("photos").glob("*.jpg"))])
            >>> [result.verdict for result in results]
            ['clean', 'defect', 'clean']
        """
        results = []
        for index, result in enumerate(self.inspect_each(encoded)):
            if isinstance(result, FrameRejected):
                raise FrameRejected(result.reason, f"frame {index}: {result.detail}") from result
            results.append(result)
        return results

    def inspect_each(self, encoded: Iterable[bytes]) -> Iterator[Inspection | FrameRejected]:
        """Inspect any number of frames in batches, and yield FrameRejected for a frame that cannot be inspected.

        At most one batch is in memory. Raises InferenceError if ONNX Runtime fails, which ends the iteration.

        Example:
            >>> for path, result in zip(paths, model.inspect_each(path.read_bytes() for path in paths)):
            ...     print(path.name, result.detail if isinstance(result, FrameRejected) else result.verdict)
            a.jpg clean
            b.jpg the record has no value
        """
        frames = iter(encoded)
        while batch := list(islice(frames, self.session.best_batch_frames)):
            images = [_or_rejected(self._decode, frame) for frame in batch]
            inspected = iter(self._inspect_images([each for each in images if isinstance(each, Image)]))
            yield from (next(inspected) if isinstance(each, Image) else each for each in images)

    def inspect_image(self, image: Image) -> Inspection:
        """Inspect a frame decoded by `decode_frame`. Raises FrameRejected or InferenceError."""
        (result,) = self._inspect_images([image])
        if isinstance(result, FrameRejected):
            raise result
        return result

    def interpret(
        self,
        raw_scores: Sequence[float],
        heatmaps: NDArray[np.float32] | None,
        width_px: int,
        height_px: int,
        flags: tuple[FrameFlag, ...] = (),
        novelty: float | None = None,
        cell_boxes: NDArray[np.float32] | None = None,
    ) -> Inspection:
        """Interpret the output of the session for one frame; see `inspection.interpret`."""
        decoder = self.heatmap_decoder
        return interpret(self.policy, decoder, raw_scores, heatmaps, width_px, height_px, flags, novelty, cell_boxes)

    def _decode(self, encoded: bytes) -> Image:
        if not isinstance(encoded, bytes):
            raise TypeError(f"a frame must be the bytes of an image file, not {type(encoded).__name__}")
        return self.size_check.apply(self.decode(encoded))

    def _inspect_images(self, images: Sequence[Image]) -> list[Inspection | FrameRejected]:
        if not images:
            return []
        output = self.session.predict(np.stack([image.pixels for image in images]))
        return [_or_rejected(self._read_output, output, at, image) for at, image in enumerate(images)]

    def _read_output(self, output: Output, at: int, image: Image) -> Inspection:
        heatmaps = None if output.heatmaps is None else output.heatmaps[at]
        scores, novelty = valid_scores(output.scores[at]), valid_novelty(output.novelty, at)
        boxes = None if output.cell_boxes is None else output.cell_boxes[at]
        return self.interpret(scores, heatmaps, image.width_px, image.height_px, image.flags, novelty, boxes)


def _or_rejected(step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | FrameRejected:
    try:
        return step(*arguments, **named)
    except FrameRejected as error:
        return error
