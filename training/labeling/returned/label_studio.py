"""Decisions in an export of Label Studio, as JSON or JSON-MIN (https://labelstud.io/guide/export.html)."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripwatch.training.datasets.formats.label_studio import image_name, image_of, marks_of, regions_of
from stripwatch.training.datasets.formats.marks import ImageMarks
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.labeling.handover.handed_frame import NEW, UNNAMED
from stripwatch.training.labeling.handover.label_studio import LABEL, NEW_LABEL
from stripwatch.training.labeling.returned.person_label import PersonLabel, Returned, label_of_shapes, name_shapes
from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339

FRAME_ID = "frame_id"
_BY_CHARS_MAX = 60


def is_tasks_file(content: Any) -> bool:
    """Return whether decoded JSON is a file of tasks for import, as `--to label-studio` writes it."""
    return isinstance(content, list) and bool(content) and all(_is_open_task(task) for task in content)


def _is_open_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("data"), dict) and "annotations" not in task


def read_tasks(path: Path, tasks: list[dict[str, Any]], problems: Problems) -> Returned:
    """Read the decisions of people. What cannot be read is added to the problems.

    Several annotations of a frame must agree on its label; the latest one counts. An annotation that is marked as
    ground truth takes precedence.
    """
    found = Returned("label-studio")
    annotations: dict[str, list[_Annotation]] = defaultdict(list)
    for task in tasks:
        where = f"{path}: task {task.get('id')}"
        try:
            annotations[_frame_of(task)] += _annotations(task, where)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, StopIteration) as error:
            problems.add(f"{where} is not valid: {_reason(error)}")
    for frame, each in annotations.items():
        _decide(found, frame, each)
    return found


@dataclass(frozen=True, slots=True)
class _Annotation:
    """One annotation of one person. label: "" if there is none. problem: why the label is not clear.

    left_over: as in PersonLabel.
    """

    label: str
    by: str
    at: str
    marks: ImageMarks
    left_over: int = 0
    postponed: bool = False
    is_truth: bool = False
    problem: str = ""


def _decide(found: Returned, frame: str, annotations: list[_Annotation]) -> None:
    done = [each for each in annotations if not each.postponed]
    done = [each for each in done if each.is_truth] or done
    if not done:
        (found.postponed if annotations else found.unannotated).append(frame)
        return
    labels = sorted({each.label for each in done})
    unclear = next((each.problem for each in done if each.problem), "")
    if unclear:
        found.conflicts.append(f"frame {frame} {unclear}")
    elif len(labels) > 1:
        said = " and ".join(f"{each.label or 'nothing'!r} by {each.by}" for each in done)
        found.conflicts.append(f"frame {frame} is labelled {said}")
    else:
        last = max(done, key=lambda each: each.at)
        found.labels.append(PersonLabel(frame, last.label, last.by, last.at, last.marks, left_over=last.left_over))


def _frame_of(task: dict[str, Any]) -> str:
    """Return the id of the frame, or the path of its image if the task has no id."""
    data = task["data"] if "annotations" in task else task
    frame = str(data.get(FRAME_ID) or "").strip()
    return frame or image_name(image_of(data))


def _annotations(task: dict[str, Any], where: str) -> Iterator[_Annotation]:
    if "annotations" not in task:
        if task.get("annotation_id", 0) is not None:
            yield _annotation(task["image"], _results_of(task), task, where)
        return
    for each in task["annotations"]:
        yield _annotation(image_of(task["data"]), each["result"], each, where)


def _results_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of a task in a JSON-MIN export, in the structure of the full export."""
    results = regions_of(task)
    if task.get(LABEL):
        value = task[LABEL]
        choices = value["choices"] if isinstance(value, dict) else [value]
        results.append({"from_name": LABEL, "type": "choices", "value": {"choices": choices}})
    if task.get(NEW_LABEL):
        value = task[NEW_LABEL]
        texts = value["text"] if isinstance(value, dict) else [value] if isinstance(value, str) else value
        results.append({"from_name": NEW_LABEL, "type": "textarea", "value": {"text": texts}})
    return results


def _annotation(image: str, results: list[dict[str, Any]], stated: dict[str, Any], where: str) -> _Annotation:
    by = _person(stated.get("completed_by", stated.get("annotator")))
    at = rfc3339(parse_rfc3339(stated.get("updated_at") or stated["created_at"]))
    if stated.get("was_cancelled"):
        return _Annotation("", by, at, ImageMarks(image, where), postponed=True)
    label = problem = ""
    try:
        label = _choice(results)
    except ValueError as error:
        problem = str(error)
    kept = [each for each in results if not _is_leftover(each, label)]
    marks, left_over = marks_of(image, kept, where), len(results) - len(kept)
    try:
        label = label or label_of_shapes(marks)
    except ValueError as error:
        problem = problem or str(error)
    name_shapes(marks, label)
    return _Annotation(label, by, at, marks, left_over, is_truth=bool(stated.get("ground_truth")), problem=problem)


def _is_leftover(result: dict[str, Any], label: str) -> bool:
    """Return whether a result is a box of the model that nobody touched, with another label than the frame."""
    if not label or result.get("origin") != "prediction" or result["type"] == "choices":
        return False
    return not {label, UNNAMED} & set(result["value"].get(result["type"]) or [label])


def _choice(results: list[dict[str, Any]]) -> str:
    """Return the label that a person chose or wrote, "" for none. Raises ValueError if it is not clear."""
    asked = [each for each in results if each["type"] == "choices"]
    asked = [each for each in asked if each.get("from_name") == LABEL] or asked
    choices = [str(choice).strip() for each in asked for choice in each["value"]["choices"]]
    if len(choices) > 1:
        raise ValueError(f"has the labels {' and '.join(choices)}; a frame has only one label")
    if choices != [NEW]:
        return choices[0] if choices else ""
    texts = [text for each in results if each["type"] == "textarea" for text in each["value"]["text"] if text.strip()]
    if len(texts) != 1:
        raise ValueError(f"has the choice {NEW}, but {len(texts)} names of a new label instead of one")
    return str(texts[0]).strip()


def _person(stated: Any) -> str:
    if isinstance(stated, dict):
        stated = stated.get("email") or stated.get("id")
    text = stated if isinstance(stated, str) else f"Label Studio user {stated}"
    return "".join(each for each in text if each.isprintable()).strip()[:_BY_CHARS_MAX] or "Label Studio"


def _reason(error: Exception) -> str:
    return f"it has no field {error}" if isinstance(error, KeyError) else str(error)
