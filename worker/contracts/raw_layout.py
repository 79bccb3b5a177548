"""Format of a raw buffer, as stated by the headers of its record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawLayout:
    """Layout of a raw buffer. Values are not checked here; the decoder rejects a layout that is not valid.

    Attributes:
        pixel_format: Name by the GenICam Pixel Format Naming Convention, such as "Mono12p"; empty if unreadable.
        width_px: Width in pixels; None if the header is missing or unreadable.
        height_px: Height in pixels; None if the header is missing or unreadable.
        stride_bytes: Bytes from the start of one row to the start of the next; None if the rows follow each other
            directly; 0 if the header is unreadable.
    """

    pixel_format: str
    width_px: int | None
    height_px: int | None
    stride_bytes: int | None = None
