"""Content of a numbered frame. bad: for each planned frame, the name of the bad frame to send, or None."""

from collections.abc import Sequence

from tests.badframes import BAD_FRAMES
from tests.tiny import encode_frame

_GOLDEN = 0.6180339887498949  # the fractional parts of its multiples stay distinct for any number of frames


def encode(bad: Sequence[str | None], number: int) -> bytes | None:
    """Return the bytes of a frame. Each good frame has a different brightness; frames beyond the plan are good."""
    name = bad[number] if number < len(bad) else None
    return BAD_FRAMES[name][0] if name is not None else encode_frame((number + 0.5) * _GOLDEN % 1.0, seed=number)


def reason(bad: Sequence[str | None], number: int) -> str | None:
    """Return the reason for which the frame must be rejected; None for a good one."""
    name = bad[number] if number < len(bad) else None
    return BAD_FRAMES[name][1] if name is not None else None
