"""A set of texts at 16 bytes each: of the ids of frames there are a million in an hour of a line."""

import hashlib

import numpy as np

_DIGEST_BYTES = 16
_RECENT_MIN = 4096


class DigestSet:
    """Only grows.

    A Python set costs 140 bytes an entry. New ones wait in it, and when they are a sixteenth of all they are merged
    into a sorted array of digests. With digests of 128 bits no two of them are ever the same.
    """

    def __init__(self) -> None:
        self._sorted = np.empty(0, f"S{_DIGEST_BYTES}")
        self._recent: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def __contains__(self, text: str) -> bool:
        return self._has(_digest(text))

    def add(self, text: str) -> bool:
        """Whether it is new."""
        digest = _digest(text)
        if self._has(digest):
            return False
        self._recent.add(digest)
        if len(self._recent) >= _RECENT_MIN + len(self._sorted) // 16:
            self.compact()
        return True

    def compact(self) -> None:
        """Merge the new ones into the array, as when no more are expected."""
        recent = np.array(list(self._recent), self._sorted.dtype)
        self._sorted = np.sort(np.concatenate([self._sorted, recent]), kind="stable")
        self._recent = set()

    def _has(self, digest: bytes) -> bool:
        if digest in self._recent:
            return True
        at = int(np.searchsorted(self._sorted, np.bytes_(digest)))
        return at < len(self._sorted) and bool(self._sorted[at] == digest.rstrip(b"\0"))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
