"""Changed frames as the model receives them: the camera's frame is changed, stored, and decoded like any other."""

import hashlib

import cv2
import msgspec
import numpy as np

from stripwatch.training.stress.changes import Change
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.images.headers.reader import read_header

_QUALITY = 98  # hardly changes a frame that has to be stored as JPEG


def decode_source(encoded: bytes, spec: DecodeSpec) -> Pixels:
    """Decode a file in its own size, uint8 [h, w, c], with the colour and levels of the spec."""
    header = read_header(encoded)
    own = msgspec.structs.replace(spec, height_px=header.height_px, width_px=header.width_px, jpeg_scale=1)
    return decode(encoded, own).pixels


def changed_frame(change: Change, strength: float, spec: DecodeSpec, source: Pixels, seed: str) -> Pixels:
    """Return a changed frame as the model receives it, uint8 of shape spec.shape.

    source: uint8 [h, w, c]. seed: name of the frame, from which random changes are derived, so that they are the same
    in each run.
    """
    digest = hashlib.sha256(f"{seed}\0{change.name}\0{strength}".encode(errors="surrogateescape")).digest()
    pixels = change.apply(source, strength, np.random.default_rng(int.from_bytes(digest[:8])))
    return decode_changed(pixels, spec)


def decode_changed(pixels: Pixels, spec: DecodeSpec) -> Pixels:
    """Return a frame in its own size, uint8 [h, w, c], as the model receives it, uint8 of shape spec.shape."""
    return decode(_encode(pixels, spec), spec).pixels


def _encode(pixels: Pixels, spec: DecodeSpec) -> bytes:
    """Return an image file. Only JPEG files are decoded at a smaller scale, so such a model needs one."""
    stored = np.ascontiguousarray(pixels[:, :, ::-1])  # OpenCV stores BGR
    if spec.jpeg_scale == 1:
        _, encoded = cv2.imencode(".bmp", stored)
    else:
        _, encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return encoded.tobytes()
