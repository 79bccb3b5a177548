"""A labelled image file, and where such files are found."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stripwatch.worker.images.image_files import scan_folder


@dataclass(frozen=True, slots=True)
class Sample:
    """One image. name: as `name_below` makes it from the data folder. labels: sorted; none means that it is clean."""

    name: str
    labels: tuple[str, ...]
    coil: str | None = None

    @property
    def joined(self) -> str:
        """The labels as a manifest writes them."""
        return "|".join(self.labels)


def find_images(root: Path) -> Iterator[Path]:
    """Image files in a folder and all its subfolders, sorted; `scan_folder` says what is left out."""
    return iter(scan_folder(root).files)
