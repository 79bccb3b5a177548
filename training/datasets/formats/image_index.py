"""Find the image that an annotation file names, although tools write names in different ways."""

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote

from stripwatch.worker.common.path_text import path_text


class AmbiguousImageError(Exception):
    """Several images could be meant. The text names two of them."""


class ImageIndex:
    """Index of the images of a data set by file name. names: as returned by `name_below`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_file: dict[str, list[str]] = defaultdict(list)
        for name in names:
            path = PurePosixPath(name)
            for by_name, text in ((self._by_stem, path.stem), (self._by_file, path.name)):
                for key in {text, _folded(text)}:
                    by_name[key].append(name)

    def find(self, image: str, suffixed: bool) -> str | None:
        """Return the name of the image, or None if the data set does not have it.

        image: name or path as an annotation file states it. suffixed: it ends with the suffix of the image file, which
        may have been converted to another type. A name that no image has is also compared without case, with accents
        composed, and as part of an address ("%20" for a blank). Of several images with this name, the one in the same
        folders is taken. Raises AmbiguousImageError if there are several such images.
        """
        path = PurePosixPath(path_text(image.replace("\\", "/")))
        spellings = (path.name, _folded(path.name), _folded(unquote(path.name)))
        names = next((names for name in spellings if (names := self._named(name, suffixed))), [])
        if len(names) > 1:
            most = max(_common_folders(path, name) for name in names)
            names = [name for name in names if _common_folders(path, name) == most]
        if len(names) > 1:
            raise AmbiguousImageError(f"{names[0]} and {names[1]} have the same name")
        return names[0] if names else None

    def _named(self, name: str, suffixed: bool) -> list[str]:
        stem = PurePosixPath(name).stem if suffixed else name
        return (self._by_file.get(name, []) if suffixed else []) or self._by_stem.get(stem, [])


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _common_folders(path: PurePosixPath, name: str) -> int:
    """Return how many folders above both files have the same names."""
    mine, others = path.parent.parts[::-1], PurePosixPath(name).parent.parts[::-1]
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(mine, others, strict=False)))
