"""What a fit needs to continue after a kill; it lies in the run folder until the run is finished."""

import math
import os
import shutil
from errno import ENOSPC
from pathlib import Path

import keras
import msgspec

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.run_folder import BEGUN_FILE, FEATURES_STEM, STATE_SUFFIX, Configuration
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec


class FitIdentity(msgspec.Struct, frozen=True):
    """What a fit was begun with: only the same may continue with it."""

    configuration: Configuration
    data_sha256: str
    weights_sha256: str | None
    marks_sha256: str | None = None
    decode: DecodeSpec | None = None  # of fits begun before it was noted


def begin(folder: Path, begun: FitIdentity) -> None:
    """Note what is begun, or check it against what was begun before. Raises InputError, naming what differs."""
    path = folder / BEGUN_FILE
    if not path.exists():
        atomic_write(path, msgspec.json.encode(begun))
        return
    before = msgspec.json.decode(read_whole(path), type=FitIdentity)
    different = _different(before.configuration, begun.configuration)
    if before.data_sha256 != begun.data_sha256:
        different.append("data")
    if before.weights_sha256 != begun.weights_sha256:
        different.append("weights")
    if before.marks_sha256 != begun.marks_sha256:
        different.append("boxes")
    if before.decode != begun.decode:
        different.append("input or decode")
    if different:
        raise InputError(f"{folder} was begun with other {', '.join(different)}: --resume needs the same")


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """After each epoch of a stage: all weights and the optimizer's state, in one file.

    Raises InputError, with the path, when it cannot be written.
    """

    def __init__(self, folder: Path, stage: str) -> None:
        super().__init__()
        self._path = state_path(folder, stage)

    def on_epoch_end(self, *_: object, **__: object) -> None:
        part = self._path.with_name("part" + STATE_SUFFIX)
        try:
            self._find_room()
            self.model.save_weights(part)
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(f"cannot write {self._path}: {os.strerror(error.errno or ENOSPC)}") from error

    def _find_room(self) -> None:
        """h5py that meets the end of a disk prints a page of its own for each object it cannot close."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        if shutil.disk_usage(self._path.parent).free < 4 * sum(math.prod(each.shape) for each in variables):
            raise OSError(ENOSPC, "")


def restore(model: keras.Model, folder: Path, stage: str, steps_an_epoch: int) -> int:
    """Bring a compiled model to where its stage was; returns the epochs done, 0 where nothing was kept."""
    path = state_path(folder, stage)
    if not path.exists():
        return 0
    model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and keras raise a handful of types
        raise InputError(f"cannot continue from {path}: {str(error).strip().splitlines()[0]}") from error
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations)) // steps_an_epoch


def state_path(folder: Path, stage: str) -> Path:
    return folder / (stage + STATE_SUFFIX)


def clear(folder: Path) -> None:
    """Remove all of it."""
    for path in folder.iterdir():
        if path.name == BEGUN_FILE or path.name.startswith(FEATURES_STEM) or path.name.endswith(STATE_SUFFIX):
            path.unlink()


def _different(before: Configuration, now: Configuration) -> list[str]:
    fields = msgspec.structs.fields(Configuration)
    return [field.name for field in fields if getattr(before, field.name) != getattr(now, field.name)]
