"""Raw buffers as cameras send them, packed bit by bit (slowly) according to the tables of the standards."""

from typing import Any

from numpy.typing import NDArray

from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.raw_header import PIXEL_FORMATS

Headers = list[tuple[str, bytes | None]]


def pack(values: NDArray[Any], name: str, padding: int = 0) -> tuple[bytes, RawLayout]:
    """Pack values: [height, width] of a grey or Bayer format, [height, width, 3] of colour. padding: bytes per row."""
    rows = [_pack_row([int(value) for value in row.ravel()], name) + b"\xaa" * padding for row in values]
    stride = len(rows[0]) if padding or values.shape[1] * PIXEL_FORMATS[name].bits_per_pixel % 8 else None
    return b"".join(rows), RawLayout(name, values.shape[1], values.shape[0], stride)


def raw_headers(layout: RawLayout) -> Headers:
    fields = {
        "content-type": "application/octet-stream",
        "ce_pixelformat": layout.pixel_format,
        "ce_widthpx": layout.width_px,
        "ce_heightpx": layout.height_px,
        "ce_stridebytes": layout.stride_bytes,
    }
    return [(name, str(value).encode()) for name, value in fields.items() if value is not None]


def _pack_row(row: list[int], name: str) -> bytes:
    pixel_format = PIXEL_FORMATS[name]
    if name.endswith("p"):  # PFNC: one stream of bits, the lowest bit of each pixel first
        stream = sum(value << at * pixel_format.bits for at, value in enumerate(row))
        return stream.to_bytes(-(-len(row) * pixel_format.bits // 8), "little")
    if name.endswith("Packed"):  # GigE Vision: upper bits, then the low bits of both pixels, upper bits
        low = pixel_format.bits - 8
        pairs = [(row[at], (row[at + 1 : at + 2] or [0])[0]) for at in range(0, len(row), 2)]
        packed = [(a >> low, a % 2**low | b % 2**low << 4, b >> low) for a, b in pairs]
        return b"".join(map(bytes, packed))[: -(-len(row) * 12 // 8)]
    return b"".join(value.to_bytes(2 if pixel_format.bits > 8 else 1, "little") for value in row)
