"""Check that the scans of a JPEG file cover the whole image. libjpeg accepts a file that was cut between two scans."""

from collections.abc import Iterable
from typing import NamedTuple

_COEFFICIENTS = 64  # of a block


class Scan(NamedTuple):
    """Content of a scan as its header announces it: coefficients first to last of some components, down to a bit."""

    components: bytes
    first: int
    last: int
    lowest_bit: int


def read_scan(encoded: bytes, at: int) -> Scan:
    """Read the header of the scan at this offset, where its marker FF DA is. A malformed header gives an empty scan."""
    count = int.from_bytes(encoded[at + 4 : at + 5], "big")
    body = encoded[at + 5 : at + 8 + 2 * count]
    if len(body) < 2 * count + 3:
        return Scan(b"", 0, 0, 0)
    first, last, approximation = body[-3:]
    return Scan(body[: 2 * count : 2], first, last, approximation % 16)


def bring_all(scans: Iterable[Scan], components: bytes, progressive: bool) -> bool:
    """Return whether the scans contain every coefficient of every component completely.

    progressive: False means that each scan contains all coefficients of its components.
    """
    lowest_bits = {component: [1] * _COEFFICIENTS for component in components}
    for scan in scans:
        first, last, lowest_bit = scan[1:] if progressive else (0, _COEFFICIENTS - 1, 0)
        covered = range(first, min(last + 1, _COEFFICIENTS))
        for component in set(scan.components) & lowest_bits.keys():
            lowest_bits[component][first : covered.stop] = [lowest_bit] * len(covered)
    return not any(map(any, lowest_bits.values()))
