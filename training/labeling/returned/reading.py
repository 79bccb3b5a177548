"""Read the export of a labelling tool, with its format detected from the content."""

from pathlib import Path
from typing import Any

from stripwatch.training.datasets.formats.coco import is_coco, read_coco
from stripwatch.training.datasets.formats.json_files import load_json
from stripwatch.training.datasets.formats.label_studio import is_label_studio
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.labeling.handover.coco import UNCHECKED
from stripwatch.training.labeling.returned.label_studio import is_tasks_file, read_tasks
from stripwatch.training.labeling.returned.person_label import PersonLabel, Returned, label_of_shapes, name_shapes
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.contracts.timestamps import rfc3339


def read_returned(path: Path, problems: Problems) -> Returned:
    """Read a JSON or JSON-MIN export of Label Studio, or a COCO file.

    What cannot be read within the file is added to the problems. Raises InputError if the file cannot be read,
    DataError if it is not an export.
    """
    if path.is_dir():
        raise InputError(f"--from {path} is a folder; pass the file that the labelling tool exported")
    content = load_json(path)
    if is_label_studio(content):
        return read_tasks(path, content, problems)
    if is_coco(content):
        return _read_coco(path, content, problems)
    if is_tasks_file(content):
        raise DataError(
            f"{path} contains tasks without annotations, as 'collect --to label-studio' writes them; import them into "
            "Label Studio, label them, and export the project as JSON"
        )
    if content == []:
        raise DataError(f"{path} contains no tasks; label at least one frame before you export")
    raise DataError(f"{path} is neither a JSON or JSON-MIN export of Label Studio nor a COCO file")


def _read_coco(path: Path, content: dict[str, Any], problems: Problems) -> Returned:
    """Read a COCO file. An image has the label of its boxes.

    COCO states neither persons nor times. The time of the file only orders the files: a copy of an old file is newer.
    """
    info = content.get("info")
    if isinstance(info, dict) and info.get("description") == UNCHECKED:
        raise DataError(
            f"{path} was written by 'collect --to coco' and states that no person has checked it; export the file from "
            "the labelling tool, or change 'description' in its 'info' after you have checked it"
        )
    found, at = Returned("coco"), rfc3339(int(path.stat().st_mtime * 1000))
    for marks in read_coco(path.parent, [path], problems):
        try:
            label = label_of_shapes(marks)
        except ValueError as error:
            found.conflicts.append(f"frame {marks.image} {error}")
            continue
        name_shapes(marks, label)
        found.labels.append(PersonLabel(marks.image, label, path.name, at, marks, dated=False))
    return found
