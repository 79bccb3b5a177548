"""Layout `kolektor`: every image has a mask beside it, which is black if the image is clean.

* KolektorSDD2: train/10000.png and train/10000_GT.png (https://www.vicos.si/resources/kolektorsdd2/).
* KolektorSDD: kos01/Part0.jpg and kos01/Part0_label.bmp (https://www.vicos.si/resources/kolektorsdd/).
"""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.training.datasets.formats.png_masks import read_mask
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.images.folders.mask_files import masked_name
from stripwatch.worker.images.image_files import ImageFolder, scan_folder

LABEL = "defect"


def is_kolektor(found: ImageFolder) -> bool:
    """Return whether every image has a mask beside it."""
    masks = _by_image(found)
    return bool(found.files) and all((path.parent, path.stem) in masks for path in found.files)


def read_kolektor(root: Path) -> Iterator[Sample]:
    """Read layout `kolektor`: an image has the label "defect" if its mask has a pixel that is not 0.

    Raises DataError, with all files concerned, for an image without mask and for a mask that cannot be read.
    """
    found = scan_folder(root)
    masks, problems, samples = _by_image(found), Problems(str(root)), []
    for path in found.files:
        mask = masks.get((path.parent, path.stem))
        if mask is None:
            problems.add(f"{path} has no mask beside it, such as {path.stem}_GT.png")
            continue
        try:
            samples.append(Sample(name_below(root, path), (LABEL,) if read_mask(mask).any() else ()))
        except StripwatchError as error:
            problems.add(str(error))
    problems.check()
    return iter(samples)


def _by_image(found: ImageFolder) -> dict[tuple[Path, str], Path]:
    return {(path.parent, masked_name(path.stem)): path for path in found.masks}
