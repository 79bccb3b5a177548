"""Files and folders that operating systems, file servers and programs leave next to images, recognized by their names.

Hidden ones, such as .ipynb_checkpoints, .Trash-1000, .DS_Store, ._NAME, .git and .dvc, are skipped anyway.
"""

import fnmatch
from collections.abc import Collection

_SYSTEM = "left by the operating system"
_DELETED = "recycle bin"
_SERVER = "left by a file server"
_PREVIEWS = "thumbnails or catalogue of a photo program"
_PROGRAM = "files of a program"
_TRAINING = "output of a training program"
_LABELME = "output of labelme"
_README = "README"
_OURS = "output of stripwatch"

# Patterns are compared with the name in lower case.
_FOLDERS = {
    "__macosx": _SYSTEM,  # AppleDouble files in an archive made by macOS
    "system volume information": _SYSTEM,
    "lost+found": _SYSTEM,
    "found.[0-9][0-9][0-9]": _SYSTEM,
    "temporary items": _SYSTEM,
    "network trash folder": _DELETED,
    "$recycle.bin": _DELETED,
    "recycler": _DELETED,
    "recycled": _DELETED,
    "#recycle": _DELETED,  # Synology
    "@recycle": _DELETED,  # QNAP
    "@eadir": _SERVER,  # Synology: thumbnails and metadata of each file
    "#snapshot": _SERVER,
    "@recently-snapshot": _SERVER,
    "@tmp": _SERVER,
    "*.lrdata": _PREVIEWS,  # Lightroom
    "*.photoslibrary": _PREVIEWS,
    "captureone": _PREVIEWS,
    "thumbs": _PREVIEWS,
    "_thumbs": _PREVIEWS,
    "thumbnails": _PREVIEWS,
    "_thumbnails": _PREVIEWS,
    "__pycache__": _PROGRAM,
    "node_modules": _PROGRAM,
    "site-packages": _PROGRAM,
    "*.egg-info": _PROGRAM,
    "cvs": _PROGRAM,
    "wandb": _TRAINING,
    "mlruns": _TRAINING,
    "lightning_logs": _TRAINING,
}
_FILES = {
    "thumbs.db": _SYSTEM,
    "ehthumbs*.db": _SYSTEM,
    "desktop.ini": _SYSTEM,
    "icon\r": _SYSTEM,  # macOS: icon of the folder
    "albumart*.jpg": _SYSTEM,  # Windows Media Player
    "picasa.ini": _PREVIEWS,
    "*.lrcat": _PREVIEWS,
    "digikam4.db": _PREVIEWS,
    "readme.*": _README,
    "dataset-cover.*": _README,  # Kaggle
}
# A folder with all of these files was written by the program.
_MARKERS = (
    (frozenset({"label.png", "img.png"}), _LABELME),  # labelme_json_to_dataset
    (frozenset({"survey.json"}), _OURS),
    (frozenset({"stripwatch-handover.txt"}), _OURS),  # images for a labelling tool
    (frozenset({"run.json", "model.keras"}), _OURS),
    (frozenset({"manifest.json", "model.onnx"}), _OURS),
)


def why_left(name: str, is_folder: bool) -> str | None:
    """Return why an entry of a folder is not part of a data set, or None if its name says nothing."""
    patterns = _FOLDERS if is_folder else _FILES
    folded = name.lower()
    found = patterns.get(folded)
    return found or next((why for pattern, why in patterns.items() if fnmatch.fnmatchcase(folded, pattern)), None)


def why_written(names: Collection[str]) -> str | None:
    """Return which program wrote a folder with these entries, or None if it may hold the images of a person."""
    present = set(names)
    return next((why for marker, why in _MARKERS if marker <= present), None)
