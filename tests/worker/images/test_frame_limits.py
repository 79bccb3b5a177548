"""Training, all commands and the worker share one frame size limit, which admits frames of 8192 x 4096 pixels."""

import cv2
import numpy as np
import pytest

from stripwatch.worker.broker.admin import plan_topics
from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.config.sections import FramesSettings, RejectsSettings
from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, MESSAGE_BYTES_MAX
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from stripwatch.worker.model.loading.open_model import decode_limits

LINE_SCAN = (4096, 8192)
SPEC = DecodeSpec(16, 32, colour="grey")


def encoded(height_px: int, width_px: int) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((height_px, width_px), 100, np.uint8))[1].tobytes())


def test_the_worker_admits_the_same_frames_as_training() -> None:
    """The only difference: the worker flags progressive files, because nobody has checked them as in a training set."""
    assert decode_limits(FramesSettings()) == DecodeLimits(progressive="flag")
    assert decode_limits(FramesSettings(progressive="accept")) == DecodeLimits()


def test_a_line_scan_frame_of_8192_by_4096_pixels_is_decoded() -> None:
    image = decode(encoded(*LINE_SCAN), SPEC)
    assert (image.width_px, image.height_px) == (8192, 4096)
    with pytest.raises(FrameRejected) as refused:
        decode(encoded(4608, 8192), SPEC)
    assert refused.value.reason is RejectReason.TOO_MANY_PIXELS


def test_a_mono8_buffer_of_8192_by_4096_pixels_fits_every_byte_limit() -> None:
    buffer_bytes = 4096 * 8192
    assert buffer_bytes <= FramesSettings().bytes_max <= RejectsSettings().bytes_max
    topics = {plan.name: int(plan.settings["max.message.bytes"]) for plan in plan_topics(1, 1, 1, MESSAGE_BYTES_MAX)}
    for copied in ("inspection.frames", "inspection.rejects", "inspection.review"):
        assert topics[copied] > FRAME_BYTES_MAX + 65_536, copied
