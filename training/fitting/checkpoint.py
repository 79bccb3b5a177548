"""Checkpoints of a fit, kept in the run folder until the run is finished, so that a killed fit can continue."""

import math
import os
import shutil
from errno import ENOSPC
from pathlib import Path

import keras
import msgspec

from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.facts.scale_facts import ScaleFacts
from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.run_folder import BEGUN_FILE, FEATURES_STEM, STATE_SUFFIX, Configuration
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec


class FitIdentity(msgspec.Struct, frozen=True):
    """Settings and data that a fit was started with. Only a fit with the same ones may continue it.

    marks_sha256: of the annotations; None if none are used. decode: None in fits started by versions that did not
    record it. colour, scale: what decode was chosen by; a fit that continues does not choose again.
    """

    configuration: Configuration
    data_sha256: str
    weights_sha256: str | None
    marks_sha256: str | None = None
    decode: DecodeSpec | None = None
    colour: ColourFacts | None = None
    scale: ScaleFacts | None = None


def begin(folder: Path, begun: FitIdentity) -> None:
    """Record the identity of a fit, or check it against the recorded one. Raises InputError, with what differs."""
    path = folder / BEGUN_FILE
    if not path.exists():
        atomic_write(path, msgspec.json.encode(begun))
        return
    before = _read(path)
    different = _different(before.configuration, begun.configuration)
    if before.data_sha256 != begun.data_sha256:
        different.append("data (images or labels have changed, or the split)")
    if before.weights_sha256 != begun.weights_sha256:
        different.append("weights (the file has changed)")
    if before.marks_sha256 != begun.marks_sha256:
        different.append("boxes (the annotations have changed)")
    if before.decode != begun.decode:
        different.append("input or decode")
    if different:
        raise InputError(
            f"cannot resume {folder}: the fit was started with other values of {', '.join(different)}; use the same "
            "values, choose another --out, or remove the folder to start over"
        )


def read_begun(folder: Path) -> FitIdentity | None:
    """Return the identity of the interrupted fit in a run folder, or None if there is none."""
    path = folder / BEGUN_FILE
    return _read(path) if path.exists() else None


def _read(path: Path) -> FitIdentity:
    return msgspec.json.decode(read_whole(path), type=FitIdentity)


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Callback that saves all weights and the optimizer state in one file after each epoch of a stage.

    Raises InputError, with the path, if the file cannot be written.
    """

    def __init__(self, folder: Path, stage: str) -> None:
        super().__init__()
        self._path = state_path(folder, stage)

    def on_epoch_end(self, *_: object, **__: object) -> None:
        part = self._path.with_name("part" + STATE_SUFFIX)
        try:
            self._check_free_space()
            self.model.save_weights(part)
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(f"cannot write {self._path}: {os.strerror(error.errno or ENOSPC)}") from error

    def _check_free_space(self) -> None:
        """Raise OSError if the disk is too full: h5py would print a page of errors for each object it cannot close."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        if shutil.disk_usage(self._path.parent).free < 4 * sum(math.prod(each.shape) for each in variables):
            raise OSError(ENOSPC, "")


def restore(model: keras.Model, folder: Path, stage: str, steps_an_epoch: int) -> int:
    """Restore the checkpoint of a stage into a compiled model and return the number of finished epochs.

    Returns 0 if there is no checkpoint. Raises InputError if it cannot be read.
    """
    path = state_path(folder, stage)
    if not path.exists():
        return 0
    model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and keras raise several unrelated types
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"cannot continue from {path}: {reason}; choose another --out, or remove the folder to start over"
        ) from error
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations)) // steps_an_epoch


def state_path(folder: Path, stage: str) -> Path:
    """Return the checkpoint file of a stage."""
    return folder / (stage + STATE_SUFFIX)


def clear(folder: Path) -> None:
    """Delete all checkpoint files from a run folder."""
    for path in folder.iterdir():
        if path.name == BEGUN_FILE or path.name.startswith(FEATURES_STEM) or path.name.endswith(STATE_SUFFIX):
            path.unlink()


def _different(before: Configuration, now: Configuration) -> list[str]:
    fields = msgspec.structs.fields(Configuration)
    return [field.name for field in fields if getattr(before, field.name) != getattr(now, field.name)]
