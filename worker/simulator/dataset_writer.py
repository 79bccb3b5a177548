"""Writes simulated frames as a training set: LABEL_NUMBER.jpg files, and truth.jsonl with their boxes."""

from pathlib import Path
from typing import BinaryIO

import msgspec

from stripwatch.worker.common.atomic_files import rename_when_complete
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.contracts.events import Box
from stripwatch.worker.simulator.scene import KINDS, Scene, encode_jpeg, frame_seed, render
from stripwatch.worker.simulator.surface import Shape

TRUTH_NAME = "truth.jsonl"


class Truth(msgspec.Struct, frozen=True):
    """A line of truth.jsonl."""

    file: str
    label: str
    width_px: int
    height_px: int
    boxes: tuple[Box, ...]


def write_dataset(out: Path, frames: int, shape: Shape, seed: int, brightness_factor: float = 1.0) -> None:
    """Write frames of all kinds in rotation to a new or empty folder, which gets its final name when it is complete.

    Raises InputError if the folder is not empty or cannot be written.
    """
    try:
        with rename_when_complete(out) as part:
            _require_free(out, part)
            part.mkdir(parents=True)
            with (part / TRUTH_NAME).open("wb") as truth, new_progress() as progress:
                for number in progress.track(range(frames), description="rendering"):
                    scene = render(KINDS[number % len(KINDS)], shape, frame_seed(seed, number), brightness_factor)
                    _write_frame(part, truth, number, scene)
    except OSError as error:
        raise InputError(f"cannot write the training set {out}: {error.strerror}") from error


def _require_free(out: Path, part: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder; choose a new or empty folder for --out")
    if part.exists():
        raise InputError(f"{part} is left over from an interrupted run; remove it")


def _write_frame(folder: Path, truth: BinaryIO, number: int, scene: Scene) -> None:
    name = f"{scene.label}_{number:06d}.jpg"
    (folder / name).write_bytes(encode_jpeg(scene.pixels))
    height, width = scene.pixels.shape
    truth.write(msgspec.json.encode(Truth(name, scene.label, width, height, scene.boxes)) + b"\n")
