"""The format of a raw buffer, as the headers of its record state it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawLayout:
    """What a sender states of a raw buffer; nothing of it is checked yet, since a decoder rejects what is wrong.

    pixel_format: name by the GenICam Pixel Format Naming Convention, such as "Mono12p"; empty where it is unreadable.
    width_px, height_px: None where the header is missing or unreadable.
    stride_bytes: from the start of one row to the start of the next; None where the rows follow each other directly;
        0 where the header is unreadable.
    """

    pixel_format: str
    width_px: int | None
    height_px: int | None
    stride_bytes: int | None = None
