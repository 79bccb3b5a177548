"""Input size of an anomaly model: that of the frames, as far as memory and speed allow."""

from dataclasses import dataclass

from stripwatch.worker.images.decode_spec import DecodeSpec

_SHORT_PX_MAX, _LONG_PX_MAX = 512, 2048
_MULTIPLE_PX = 32  # stride of the networks
_SHRUNK_MAX = 2.0


@dataclass(frozen=True, slots=True)
class InputSize:
    """Size of the model input in pixels."""

    height_px: int
    width_px: int


def usual_size(height_px: int, width_px: int, side_px: int) -> InputSize:
    """Return the default input size for frames of this size, with their aspect ratio.

    The shorter side is at least side_px, the size that the network was published with, and at most 512 px; the longer
    one is at most 2,048 px. Both are multiples of 32 px.
    """
    short, long = sorted((height_px, width_px))
    scale = min(max(side_px / short, 1.0), _SHORT_PX_MAX / short, _LONG_PX_MAX / long)

    def rounded(side: int) -> int:
        return max(_MULTIPLE_PX, round(side * scale / _MULTIPLE_PX) * _MULTIPLE_PX)

    return InputSize(rounded(height_px), rounded(width_px))


def size_warning(height_px: int, width_px: int, spec: DecodeSpec, cell_px: float) -> str:
    """Return a warning if frames of this size are shrunk so much that small defects vanish, else "".

    cell_px: distance between two places of the model, in pixels of its input.
    """
    shrunk = max(height_px / spec.height_px, width_px / spec.width_px)
    if shrunk <= _SHRUNK_MAX:
        return ""
    return (
        f"warning: frames of {height_px}x{width_px} are shrunk {shrunk:.1f} times to {spec.height_px}x{spec.width_px}, "
        f"so one place of the model covers {cell_px * shrunk:.0f} pixels and smaller defects may be missed; increase "
        "--input, or send parts of the frames"
    )
