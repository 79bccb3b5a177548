"""Pascal VOC: one XML file per image (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html).

Coordinates count from 1 and include the last pixel. A coordinate of 0, which some labelling tools write, is read as 1.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path

from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, checked_side
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below

ROOT = "annotation"  # element


def read_voc(root: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read VOC files. The image is the one with the name of the file, in any folder."""
    for path in files:
        try:
            yield read_voc_file(root, path)
        except DataError as error:
            problems.add(str(error))


def read_voc_file(root: Path, path: Path) -> ImageMarks:
    """Read one VOC file. Raises DataError, with the path, if it is malformed."""
    try:
        tree = ElementTree.fromstring(read_whole(path))  # noqa: S314  # expat 2.4.1 and later prevents entity expansion attacks
        width_px, height_px = (checked_side(float(_text(tree, f"size/{side}")), side) for side in ("width", "height"))
        shapes = [_shape(item) for item in tree.iterfind("object")]
    except (ElementTree.ParseError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is not a VOC box file: {error}") from error
    name = name_below(root, path.with_suffix(""))
    return ImageMarks(name, str(path), width_px, height_px, shapes, required=True, suffixed=False)


def _shape(item: ElementTree.Element) -> Shape:
    left, top, right, bottom = (float(_text(item, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    return Shape(_text(item, "name").strip(), (max(left, 1) - 1, max(top, 1) - 1, right, bottom))


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"<{element.tag}> has no {path}")
    return text
