"""What a numbered frame contains. bad: for each planned frame the name of the bad frame to send, or None."""

from collections.abc import Sequence

from tests.badframes import BAD_FRAMES
from tests.tiny import encode_frame

_GOLDEN = 0.6180339887498949  # its multiples, without the whole part, keep apart however many there are


def encode(bad: Sequence[str | None], number: int) -> bytes | None:
    """The bytes of a frame; each good frame has a brightness of its own. A frame beyond the plan is a good one."""
    name = bad[number] if number < len(bad) else None
    return BAD_FRAMES[name][0] if name is not None else encode_frame((number + 0.5) * _GOLDEN % 1.0, seed=number)


def reason(bad: Sequence[str | None], number: int) -> str | None:
    """Why the frame must be rejected; None for a good one."""
    name = bad[number] if number < len(bad) else None
    return BAD_FRAMES[name][1] if name is not None else None
