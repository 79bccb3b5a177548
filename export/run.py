"""`export run`: from a run folder to a bundle, proved before it is written."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray

from export.convert import to_onnx
from export.files import write_whole
from export.frames import read_frame, read_pixels
from export.golden import choose_golden, missing_labels, usual_count
from export.model import exported_view, load_model
from export.pack import describe, pack
from export.parity import Parity, prove_parity
from export.provenance import versions_of
from export.runfolder import Run, read_run
from export.runtime import Outputs
from worker.bundle import HEATMAPS_NAME, SCORES_NAME, GoldenFrame
from worker.console import STDERR, new_progress
from worker.decode import Pixels
from worker.errors import ExportRefused, InputError

_BATCH = 32
_PARITY_FRAMES_MAX = 64


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What the command was given; None takes the usual value. data: where the run's data folder is now."""

    run: Path
    out: Path
    name: str | None = None
    version: str = "1"
    golden: int | None = None
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    name: str
    golden_frames: int
    parity: Parity
    model_bytes: int


def export_run(settings: ExportSettings) -> Exported:
    """Convert, prove and write. Raises InputError or ExportRefused, and then nothing was written."""
    _check_out(settings.out)
    run = read_run(settings.run)
    root = settings.data or Path(run.data)
    model = load_model(settings.run)
    scores = _score(model, run, root)
    golden = _golden(run, root, scores, settings.golden)
    view = exported_view(model, run.configuration.head)
    proto = to_onnx(view)
    parity = prove_parity(proto.SerializeToString(), *_sample(view, run, root, scores))
    name = settings.name or f"{root.resolve().name}-{run.configuration.network}"
    versions = versions_of(keras, onnx, onnxruntime, tf, tf2onnx)
    contract = describe(run, name, settings.version, root.resolve().name, golden, versions)
    bundle = pack(proto, contract)
    _check_out(settings.out)  # the work took a while
    write_whole(settings.out, bundle)
    return Exported(name, len(golden), parity, len(bundle))


def _check_out(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out} is there already, and a bundle is never overwritten: choose another --out")
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent} to write {out.name} in")


def _score(model: keras.Model, run: Run, root: Path) -> NDArray[np.float32]:
    """What Keras says of every validation frame: float32 [n, labels]."""
    frames = run.split.validation
    with new_progress() as progress:
        task = progress.add_task("validation frames", total=len(frames))
        rows = []
        for at in range(0, len(frames), _BATCH):
            pixels = read_pixels(root, frames[at : at + _BATCH], run.decode)
            rows.append(model.predict_on_batch(pixels))
            progress.advance(task, len(pixels))
    return np.concatenate(rows)


def _golden(run: Run, root: Path, scores: NDArray[np.float32], count: int | None) -> list[GoldenFrame]:
    frames = run.split.validation
    targets = np.array([[label in frame.labels for label in run.labels] for frame in frames])
    chosen = choose_golden(run.configuration.task, targets, scores, count or usual_count(len(run.labels)))
    if not chosen:
        raise ExportRefused(
            f"{root}: Keras is right on no validation frame, so there is nothing to prove the file with"
        )
    missing = missing_labels(run.labels, targets, chosen)
    if missing:
        STDERR.print(f"warning: no validation frame is clearly right for {', '.join(missing)}: no golden frame for it")
    return [
        GoldenFrame(frames[at].name, frames[at].labels[0], read_frame(root, frames[at]), scores[at].tolist())
        for at in chosen
    ]


def _sample(view: keras.Model, run: Run, root: Path, scores: NDArray[np.float32]) -> tuple[Pixels, Outputs]:
    """Validation frames from the first to the last, and what Keras gave for them.

    The scores are those of the model as it was trained, the heatmaps those of the view on it that is exported.
    """
    every = len(scores)
    picked = np.unique(np.linspace(0, every - 1, min(every, _PARITY_FRAMES_MAX)).round().astype(int))
    pixels = read_pixels(root, [run.split.validation[at] for at in picked], run.decode)
    outputs = {SCORES_NAME: scores[picked]}
    if len(view.outputs) > 1:
        outputs[HEATMAPS_NAME] = view.predict(pixels, batch_size=_BATCH, verbose=0)[1]
    return pixels, outputs
