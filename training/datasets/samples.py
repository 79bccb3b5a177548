"""Labelled image files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stripwatch.worker.images.image_files import scan_folder


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image. name: path below the data folder, from `name_below`. labels: sorted; empty if clean."""

    name: str
    labels: tuple[str, ...]
    coil: str | None = None

    @property
    def joined(self) -> str:
        """Return the labels as written in a manifest, such as "a|b"."""
        return "|".join(self.labels)


def find_images(root: Path) -> Iterator[Path]:
    """Return the image files in a folder and its subfolders, sorted. For skipped files see `scan_folder`."""
    return iter(scan_folder(root).files)
