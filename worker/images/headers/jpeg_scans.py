"""Whether the scans of a JPEG file bring the whole image. libjpeg accepts a file that was cut between two scans."""

from collections.abc import Iterable
from typing import NamedTuple

_COEFFICIENTS = 64  # of a block


class Scan(NamedTuple):
    """What the header of a scan announces: coefficients first to last of these components, down to a bit."""

    components: bytes
    first: int
    last: int
    lowest_bit: int


def read_scan(encoded: bytes, at: int) -> Scan:
    """at: Where the segment begins whose marker is FF DA. A malformed one gives a scan of nothing."""
    count = int.from_bytes(encoded[at + 4 : at + 5], "big")
    body = encoded[at + 5 : at + 8 + 2 * count]
    if len(body) < 2 * count + 3:
        return Scan(b"", 0, 0, 0)
    first, last, approximation = body[-3:]
    return Scan(body[: 2 * count : 2], first, last, approximation % 16)


def bring_all(scans: Iterable[Scan], components: bytes, progressive: bool) -> bool:
    """Whether each coefficient of each component arrives to its last bit.

    progressive: else each scan brings all coefficients of its components.
    """
    lowest_bits = {component: [1] * _COEFFICIENTS for component in components}
    for scan in scans:
        first, last, lowest_bit = scan[1:] if progressive else (0, _COEFFICIENTS - 1, 0)
        places = range(first, min(last + 1, _COEFFICIENTS))
        for component in set(scan.components) & lowest_bits.keys():
            lowest_bits[component][first : places.stop] = [lowest_bit] * len(places)
    return not any(map(any, lowest_bits.values()))
