"""A labelled image file, and where such files are found."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One image. name: its path from the data folder, with "/". labels: sorted; none means that it is clean."""

    name: str
    labels: tuple[str, ...]
    coil: str | None = None

    @property
    def joined(self) -> str:
        """The labels as a manifest writes them."""
        return "|".join(self.labels)


def find_images(root: Path) -> Iterator[Path]:
    """JPEG and PNG files in a folder and all its subfolders, hidden ones left out."""
    for path in root.rglob("*"):
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.name.startswith("."):
            yield path
