"""Parsing of record headers. A malformed header is recorded as a fault and never rejects the frame."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Self

from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX, SOURCE_CHARS_MAX, CameraSource, parse_source
from stripwatch.worker.contracts.frame_info import StripDirection
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.timestamps import is_capture_time, parse_rfc3339

SAFE_INTEGER_MAX = 2**53 - 1
STRIP_POSITION_MM_MAX = 10**12  # an encoder that is never reset reaches it after 1.6 years at 20 m/s
_DIRECTIONS: tuple[StripDirection, ...] = ("forward", "reverse")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class RecordFields:
    """Parsed headers of one record. Every method returns None if its header is missing or malformed.

    Attributes:
        faults: Names of the headers that are present but malformed, in the order in which they were read.
    """

    def __init__(self, headers: dict[str, bytes]) -> None:
        self._headers = headers
        self.faults: list[str] = []

    @classmethod
    def of(cls, headers: Iterable[tuple[str, bytes | None]]) -> Self:
        """Collect the headers of a record. If a name occurs twice, the last value counts."""
        return cls({name: value for name, value in headers if value is not None})

    def name(self, field: str, value: bytes | None, chars_max: int = NAME_CHARS_MAX) -> str | None:
        """Decode UTF-8 text of at most chars_max printable characters. field: name to record as a fault."""
        if not value:
            return None
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = ""
        if not 0 < len(text) <= chars_max or not text.isprintable():
            self.faults.append(field)
            return None
        return text

    def text(self, header: str, chars_max: int = NAME_CHARS_MAX) -> str | None:
        """Return the text of a header, as `name` does."""
        return self.name(header, self._headers.get(header), chars_max)

    def source(self, header: str) -> CameraSource:
        """Return the source, which has only None values if the header is missing."""
        text = self.text(header, SOURCE_CHARS_MAX)
        if text is None:
            return CameraSource()
        source = parse_source(text)
        if source.malformed:
            self.faults.append(header)
        return source

    def integer(self, header: str, smallest: int = -SAFE_INTEGER_MAX, largest: int = SAFE_INTEGER_MAX) -> int | None:
        """Return an integer of at most 2**53 - 1 in magnitude: JSON readers that use doubles change larger numbers."""
        text = self.text(header)
        if text is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,16}", text, re.ASCII) or not smallest <= int(text) <= largest:
            self.faults.append(header)
            return None
        return int(text)

    def strip_position_mm(self, header: str) -> int | None:
        """Return a position of at most a million kilometres in magnitude; see STRIP_POSITION_MM_MAX."""
        return self.integer(header, -STRIP_POSITION_MM_MAX, STRIP_POSITION_MM_MAX)

    def direction(self, header: str) -> StripDirection | None:
        """Return the direction of the strip."""
        text = self.text(header)
        known = next((one for one in _DIRECTIONS if one == text), None)
        if text is not None and known is None:
            self.faults.append(header)
        return known

    def raw_layout(self) -> RawLayout | None:
        """Return the format of a raw buffer; None for an image file, which is a record without `ce_pixelformat`."""
        if not self._headers.get(header_names.PIXEL_FORMAT):
            return None
        return RawLayout(
            pixel_format=self.text(header_names.PIXEL_FORMAT) or "",
            width_px=self.integer(header_names.WIDTH_PX),
            height_px=self.integer(header_names.HEIGHT_PX),
            stride_bytes=(self.integer(header_names.STRIDE_BYTES) or 0)
            if self._headers.get(header_names.STRIDE_BYTES)
            else None,
        )

    def capture_ms(self, header: str, now_ms: int) -> int | None:
        """Parse RFC 3339 with an offset into milliseconds since 1970. An implausible capture time is a fault."""
        text = self.text(header)
        if text is None:
            return None
        time_ms: int | None = None
        with suppress(ValueError):
            time_ms = parse_rfc3339(text)
        if time_ms is None or not is_capture_time(time_ms, now_ms):
            self.faults.append(header)
            return None
        return time_ms

    def traceparent(self, header: str) -> str | None:
        """Return the W3C trace context."""
        text = self.text(header)
        if text is None or _TRACEPARENT.fullmatch(text):
            return text
        self.faults.append(header)
        return None
