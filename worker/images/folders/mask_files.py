"""Masks next to images: images in which each pixel says whether it belongs to a defect.

Data sets keep them in a folder, or next to the image with a suffix:

* MVTec AD: `test/scratch/000.png` has `ground_truth/scratch/000_mask.png`
  (https://www.mvtec.com/company/research/datasets/mvtec-ad).
* KolektorSDD: `Part0.jpg` has `Part0_label.bmp`; KolektorSDD2: `10000.png` has `10000_GT.png`
  (https://www.vicos.si/resources/kolektorsdd2/).
* Pascal VOC: `JPEGImages/1.jpg` has `SegmentationClass/1.png` (http://host.robots.ox.ac.uk/pascal/VOC/).
* DAGM 2007: `Train/0576.PNG` has `Train/Label/0576_label.PNG` (https://hci.iwr.uni-heidelberg.de/content/weakly-supervised-learning-industrial-optical-inspection).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

# A mask is stored without loss, because a pixel may not change its class.
LOSSLESS = frozenset({".png", ".bmp", ".tif", ".tiff"})
_FOLDERS = frozenset(
    {
        "ground_truth",
        "groundtruth",
        "ground truth",
        "gt",
        "mask",
        "masks",
        "annotation",
        "annotations",
        "label",
        "labels",
    }
    | {"segmentation", "segmentationclass", "segmentationobject", "segmentationclasspng", "segmentationobjectpng"}
    | {"segmentationclassvisualization", "segmentationobjectvisualization"}
)
_SUFFIX = re.compile(r"(?P<stem>.+?)[_.-](?:gt|mask|masks|label|labels|seg|segmentation|annotation)", re.IGNORECASE)


def annotation_folder(root: Path, folder: Path) -> Path | None:
    """Return the first folder on the way from the root to this one that is named like annotations, or None."""
    parts = folder.relative_to(root).parts
    at = next((at for at, part in enumerate(parts) if part.lower() in _FOLDERS), None)
    return None if at is None else root.joinpath(*parts[: at + 1])


def find_masks(root: Path, files: Iterable[Path]) -> list[Path]:
    """Return the files that are masks of other files by their names. Their content is not checked.

    A mask is named after another image. It has a suffix, such as _mask, or is in a folder named like annotations.
    """
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        by_folder[path.parent].append(path)
    inside = {folder: paths for folder, paths in by_folder.items() if annotation_folder(root, folder)}
    outside = {folder: paths for folder, paths in by_folder.items() if folder not in inside}
    named = {folder: {path.stem.lower() for path in paths} for folder, paths in outside.items()}
    stems = {stem for found in named.values() for stem in found}
    masks = [path for folder, paths in outside.items() for path in paths if _base(path) in named[folder]]
    masks += [path for paths in inside.values() for path in paths if path.stem.lower() in stems or _base(path) in stems]
    return [path for path in masks if path.suffix.lower() in LOSSLESS]


def masked_name(stem: str) -> str:
    """Return the name of the image that a mask belongs to: without the suffix, if it has one."""
    match = _SUFFIX.fullmatch(stem)
    return match["stem"] if match else stem


def _base(path: Path) -> str | None:
    """Return the name of the image that a file with the suffix of a mask belongs to, in lower case and without type."""
    match = _SUFFIX.fullmatch(path.stem.lower())
    return match["stem"] if match else None
