"""Image files in a folder: what `inspect` reads and `replay` plays."""

from pathlib import Path

from stripwatch.worker.common.errors import InputError

CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


def list_images(folder: Path) -> list[Path]:
    """The JPEG and PNG files below a folder, in the order of their names. Raises InputError if there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder" if folder.exists() else f"there is no folder {folder}")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in CONTENT_TYPES and path.is_file())
    if not files:
        raise InputError(f"{folder} has no {', '.join(CONTENT_TYPES)} file")
    return files
