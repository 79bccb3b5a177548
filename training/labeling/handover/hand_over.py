"""Hands the frames of a collected folder that still need a label to a labelling tool."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.training.datasets.reviewed_folder import (
    HANDOVER_FILE,
    UNSORTED,
    FrameFiles,
    ReviewedFrame,
    read_collected,
    write_entries,
)
from stripwatch.training.labeling.handover import coco, label_studio
from stripwatch.training.labeling.handover.handed_frame import UNNAMED, HandedFrame, HandoverPlan, tool_labels
from stripwatch.training.labeling.handover.shown_image import write_shown
from stripwatch.worker.common.errors import FrameRejected, InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.contracts.events import Box, Candidate
from stripwatch.worker.images.headers.reader import read_header

Tool = Literal["label-studio", "coco"]
FOLDERS: dict[Tool, str] = {"label-studio": label_studio.FOLDER, "coco": coco.FOLDER}
FILES: dict[Tool, str] = {"label-studio": label_studio.TASKS_FILE, "coco": coco.FILE}


@dataclass(frozen=True, slots=True)
class Handover:
    """Result of a handover. summary: counts as JSON. files: written files by name."""

    summary: dict[str, Any]
    files: dict[str, Path]


def hand_over(out: Path, tool: Tool, again: bool = False, image_url: str = "") -> Handover:
    """Write the frames that need a label for a labelling tool, into a folder inside the collected folder.

    The images are linked there, because collected frames move when they are labelled. Frames that the tool got before
    are left out, so that nobody labels them twice, and their file stays. again: include those that still have no label.
    image_url: address of the folder of images as Label Studio sees it; "" for its local files. Raises InputError or
    DataError.
    """
    entries, files = read_collected(out)
    waiting = {name: path for name in entries if (path := _unsorted_file(out, files, name))}
    before = {name for name in waiting if entries[name].handed_over.startswith(f"{tool} ")}
    labels, folder = tool_labels(entries.values()), out / FOLDERS[tool]
    chosen = {name: path for name, path in waiting.items() if again or name not in before}
    if chosen:
        _mark(folder, tool)
    frames = _frames(chosen, entries, folder / "images", labels)
    file = folder / FILES[tool]
    earlier = sorted(path.name for path in file.parent.glob(f"{file.stem}*{file.suffix}"))
    written: dict[str, Path] = {}
    if frames:
        plan = HandoverPlan(frames, labels, datetime.now(UTC))
        written = (
            label_studio.write_tasks(plan, folder, image_url)
            if tool == "label-studio"
            else coco.write_coco(plan, folder)
        )
        _note(out, tool, plan, entries)
    summary = {
        "out": str(out),
        "tool": tool,
        "handed_over": len(frames),
        "handed_over_before": 0 if again else len(before),
        "unreadable": len(chosen) - len(frames),
        "labelled": len(entries) - len(waiting),
        "boxes": sum(len(frame.boxes) for frame in frames),
        "folder": str(folder),
        "earlier_files": earlier,
    }
    return Handover(summary, written)


def _unsorted_file(out: Path, files: FrameFiles, name: str) -> Path | None:
    path = files.find(name)
    return path if path is not None and path.relative_to(out).parts[0] == UNSORTED else None


def _frames(
    chosen: dict[str, Path], entries: dict[str, ReviewedFrame], images: Path, labels: list[str]
) -> list[HandedFrame]:
    """Read frames and put their images into a folder, with progress. Frames that cannot be read are named."""
    frames = []
    with new_progress() as progress:
        task = progress.add_task("handing over", total=len(chosen))
        for name, path in chosen.items():
            try:
                frames.append(_frame(entries[name], path, images, labels))
            except (InputError, FrameRejected) as error:
                say(f"{path} cannot be handed over: {error}")
            progress.advance(task)
    return frames


def _frame(entry: ReviewedFrame, path: Path, images: Path, labels: list[str]) -> HandedFrame:
    encoded = read_whole(path)
    header = read_header(encoded)
    width_px, height_px = header.width_px, header.height_px
    image = write_shown(path, encoded, header, images)
    boxes = (_within(each, width_px, height_px, labels) for each in entry.candidates)
    return HandedFrame(entry, image, width_px, height_px, tuple(box for box in boxes if box is not None))


def _within(each: Candidate, width_px: int, height_px: int, labels: list[str]) -> Candidate | None:
    """Return a box that is clipped to the frame, or None for one outside."""
    box = each.box_px
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(width_px, box.x + box.width), min(height_px, box.y + box.height)
    if left >= right or top >= bottom:
        return None
    label = each.label if each.label in labels else UNNAMED
    return Candidate(label, each.score, Box(left, top, right - left, bottom - top))


def _mark(folder: Path, tool: Tool) -> None:
    """Create the folder for the tool with a file that keeps its images from being read as frames.

    The file is written before the images: without it, an interrupted handover would leave each image in two folders.
    """
    make_folder(folder / "images")
    atomic_write(folder / HANDOVER_FILE, f"Written by stripwatch train collect --to {tool}\n".encode())


def _note(out: Path, tool: Tool, plan: HandoverPlan, entries: dict[str, ReviewedFrame]) -> None:
    """Note which frames the tool got."""
    at = plan.at.isoformat(timespec="seconds")
    for frame in plan.frames:
        entries[frame.entry.name] = replace(frame.entry, handed_over=f"{tool} {at}")
    write_entries(out, entries.values())
