"""Parts that a person or a tool split a data set into, such as train, valid and test, and folders around classes."""

from collections.abc import Iterable, Sequence

PART_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
# Folders that hold all images of a data set or of a part of it.
_AROUND = frozenset({"images", "image", "imgs", "img", "jpegimages", "data", "datas", "dataset"})


def is_around_classes(folder: str) -> bool:
    """Return whether a folder has a name that is usual for all images of a data set, such as "images"."""
    return folder.lower() in _AROUND


def class_depth(names: Iterable[str]) -> int:
    """Return which folder of the paths is the class, from 0: the first one that is not a part or around all classes.

    names: as returned by `name_below`. The last folder of a path is never passed over.
    """
    paths = [name.split("/")[:-1] for name in names]
    depth = 0
    while paths and all(len(path) > depth + 1 for path in paths):
        found = {path[depth].lower() for path in paths}
        if not (found <= PART_NAMES or (len(found) == 1 and found <= _AROUND)):
            break
        depth += 1
    return depth


def find_parts(names: Iterable[str]) -> list[str]:
    """Return the folders that split a data set into two or more parts, sorted; an empty list if it is not split."""
    paths = [name.split("/")[:-1] for name in names]
    for depth in range(min(map(len, paths), default=0)):
        found = {path[depth] for path in paths}
        if len(found) > 1:
            return sorted(found) if {name.lower() for name in found} <= PART_NAMES else []
    return []


def parts_note(names: Sequence[str]) -> list[str]:
    """Return a note if a data set is split into parts."""
    parts = find_parts(names)
    if not parts:
        return []
    return [
        f"note: the parts {', '.join(parts)} are read as one data set, and fit makes its own split; to keep a part "
        "apart, pass one of its folders to fit, and the other one to evaluate --test"
    ]
