"""Opening of an ONNX Runtime session on the configured provider, with self-test and warm-up of the bundle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import cast

import numpy as np
import onnxruntime as ort

from stripwatch.worker.common.errors import BundleError, FrameRejected, InferenceError, StripwatchError
from stripwatch.worker.contracts.model.model_record import NoveltySpec
from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.boxes.golden_boxes import check_box_shape, verify_golden_boxes
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, INPUT_NAME, NOVELTY_NAME, SCORES_NAME, Bundle
from stripwatch.worker.model.io_binding import Floats
from stripwatch.worker.model.providers import (
    CPU,
    DEFAULT_EXECUTION,
    ExecutionOptions,
    InferenceRunner,
    Provider,
    choose_provider,
    create_runners,
    create_session,
    first_line,
)
from stripwatch.worker.model.session import Output, Session, WarmedBatch, output_names, run_model

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
_WARM_UP_S_MAX = 0.25


def open_session(
    bundle: Bundle,
    provider: Provider = "auto",
    threads: int = 0,
    batch_frames_max: int = 16,
    raise_if_cancelled: Callable[[], None] = lambda: None,
    execution: ExecutionOptions = DEFAULT_EXECUTION,
) -> Session:
    """Load a bundle, run its self-test, and warm up the batch sizes up to batch_frames_max.

    Args:
        bundle: The bundle.
        provider: Execution provider.
        threads: Threads of ONNX Runtime on a CPU; 0 for its default.
        batch_frames_max: Largest batch size.
        raise_if_cancelled: Called before each run; raises an exception to cancel.
        execution: Options for the device; used for self-test and warm-up as well.

    Raises:
        SettingsError: The provider is not available.
        BundleError: The bundle does not match its manifest, fails its self-test or cannot run here.
    """
    name = choose_provider(provider)
    session = create_session(bundle, name, threads, batch_frames_max, execution)
    sizes = [size for size in _BATCH_SIZES if size < batch_frames_max] + [batch_frames_max]
    with _faults_of(bundle):
        _check_signature(bundle, session)
        free = create_runners(bundle, session, output_names(bundle), sizes, name, execution)
    try:
        raise_if_cancelled()
        with _faults_of(bundle):
            difference = max(verify_golden(bundle, runner) for runner in dict.fromkeys(free))
        batches = [_warm_up(bundle, free[0], size, raise_if_cancelled) for size in sizes]
    except (InferenceError, MemoryError) as error:
        raise BundleError(f"{bundle.path} cannot run on this machine: {str(error) or 'not enough memory'}") from error
    ready = SimpleQueue[InferenceRunner]()
    for runner in free:
        ready.put(runner)
    return Session(bundle, name, difference, batches, ready, None if name == CPU else execution.device_id)


@contextmanager
def _faults_of(bundle: Bundle) -> Iterator[None]:
    """Convert exceptions of libraries for an unreadable bundle into BundleError.

    For example, ONNX Runtime raises UnicodeDecodeError for a name that is not UTF-8, and numpy ValueError for a shape
    that differs from the declared one.
    """
    try:
        yield
    except (StripwatchError, MemoryError):
        raise
    except Exception as error:
        raise BundleError(f"{bundle.path} cannot be used: {type(error).__name__}: {first_line(error)}") from error


def verify_golden(bundle: Bundle, session: InferenceRunner) -> float:
    """Run the self-test: compare the scores of this session on the golden frames with those of Keras.

    Returns the largest difference. Raises BundleError if it exceeds the tolerance, or if the best label of a frame is
    not the expected one.
    """
    manifest = bundle.manifest
    try:
        frames = np.stack([decode(golden.encoded, manifest.decode).pixels for golden in manifest.golden])
    except FrameRejected as error:
        raise BundleError(f"{bundle.path}: a golden frame cannot be decoded: {error}") from error
    output = run_model(session, frames, output_names(bundle))
    _check_outputs(bundle, output)
    scores = output.scores
    expected = np.array([golden.scores for golden in manifest.golden], np.float32)
    differences = np.abs(scores - expected).max(axis=1)
    worst = int(np.argmax(differences))
    if not differences[worst] <= manifest.score_tolerance:  # NaN fails too
        raise BundleError(
            f"{bundle.path} failed its self-test: golden frame {manifest.golden[worst].name!r} "
            f"differs by {differences[worst]:.2g}, allowed is {manifest.score_tolerance:.2g}"
        )
    for golden, row in zip(manifest.golden, scores, strict=True):
        label = manifest.labels[int(np.argmax(row))]
        if manifest.task == "multiclass" and label != golden.label:
            raise BundleError(
                f"{bundle.path} failed its self-test: golden frame {golden.name!r} is labelled {label!r}, "
                f"expected {golden.label!r}"
            )
    if manifest.novelty is not None and output.novelty is not None:
        _verify_golden_novelty(bundle, manifest.novelty, output.novelty)
    if manifest.boxes is not None and output.cell_boxes is not None:
        with _naming(bundle):
            verify_golden_boxes(manifest.boxes, [golden.name for golden in manifest.golden], output.cell_boxes)
    return float(differences[worst])


@contextmanager
def _naming(bundle: Bundle) -> Iterator[None]:
    """Add the path of the bundle to a BundleError."""
    try:
        yield
    except BundleError as error:
        raise BundleError(f"{bundle.path} failed its self-test: {error}") from error


def _verify_golden_novelty(bundle: Bundle, spec: NoveltySpec, novelty: Floats) -> None:
    """Check that novelty scores of golden frames are those of Keras and on the same side of the threshold."""
    for golden, value in zip(bundle.manifest.golden, novelty.tolist(), strict=True):
        expected = cast(float, golden.novelty)
        difference = abs(value - expected)
        if not difference <= spec.tolerance:  # NaN fails too
            raise BundleError(
                f"{bundle.path} failed its self-test: the novelty score of golden frame {golden.name!r} differs by "
                f"{difference:.2g}, allowed is {spec.tolerance:.2g}"
            )
        if (value > spec.threshold) != (expected > spec.threshold):
            raise BundleError(
                f"{bundle.path} failed its self-test: golden frame {golden.name!r} has the novelty score {value:.6g} "
                f"and Keras gave {expected:.6g}, on the other side of the threshold {spec.threshold:.6g}"
            )


def _check_outputs(bundle: Bundle, output: Output) -> None:
    """Check the shapes of the actual outputs, which may differ from those that the graph declares."""
    manifest, scores = bundle.manifest, output.scores
    shape = (len(manifest.golden), len(manifest.labels))
    if scores.shape != shape:
        raise BundleError(f"{bundle.path}: its scores have the shape {scores.shape}, expected {shape}")
    if (values := output.heatmaps) is not None:
        if values.ndim != 4 or (values.shape[0], values.shape[3]) != shape:
            raise BundleError(
                f"{bundle.path}: its heatmaps have the shape {values.shape}, expected [batch, h, w, labels]"
            )
        for golden, heatmap in zip(manifest.golden, values, strict=True):
            if not np.isfinite(heatmap).all():
                raise BundleError(f"{bundle.path}: the heatmap of golden frame {golden.name!r} is not finite")
    if output.cell_boxes is not None and output.heatmaps is not None:
        with _naming(bundle):
            check_box_shape(output.cell_boxes.shape, len(manifest.labels), output.heatmaps.shape)
    if output.novelty is not None and output.novelty.shape != shape[:1]:
        raise BundleError(f"{bundle.path}: its novelty scores have the shape {output.novelty.shape}, expected [batch]")


def _check_signature(bundle: Bundle, session: ort.InferenceSession) -> None:
    inputs = {value.name: value for value in session.get_inputs()}
    outputs = {value.name: value for value in session.get_outputs()}
    shape = list(bundle.manifest.decode.shape)
    if set(inputs) != {INPUT_NAME} or inputs[INPUT_NAME].type != "tensor(uint8)":
        raise BundleError(f"{bundle.path}: its only input must be {INPUT_NAME!r}, uint8; it has {sorted(inputs)}")
    if inputs[INPUT_NAME].shape[1:] != shape:
        raise BundleError(
            f"{bundle.path}: its input has the shape {inputs[INPUT_NAME].shape[1:]}, but its decode spec has {shape}"
        )
    labels = len(bundle.manifest.labels)
    if SCORES_NAME not in outputs or outputs[SCORES_NAME].shape[1:] != [labels]:
        raise BundleError(f"{bundle.path}: it must have an output {SCORES_NAME!r} with {labels} scores per frame")
    if bundle.manifest.heatmaps is not None:
        shape = outputs[HEATMAPS_NAME].shape if HEATMAPS_NAME in outputs else []
        if len(shape) != 4 or shape[3] != labels or not all(isinstance(side, int) for side in shape[1:]):
            raise BundleError(
                f"{bundle.path}: it must have an output {HEATMAPS_NAME!r} of shape [batch, h, w, {labels}]"
            )
    if bundle.manifest.boxes is not None:
        if BOXES_NAME not in outputs:
            raise BundleError(f"{bundle.path}: it predicts boxes, so it must have an output {BOXES_NAME!r}")
        with _naming(bundle):
            check_box_shape(outputs[BOXES_NAME].shape, labels, outputs[HEATMAPS_NAME].shape)
    if bundle.manifest.novelty is not None:
        novelty = outputs.get(NOVELTY_NAME)
        if novelty is None or len(novelty.shape) != 1 or novelty.type != "tensor(float)":
            raise BundleError(
                f"{bundle.path}: its manifest has a novelty threshold, so it must have an output {NOVELTY_NAME!r}, "
                "float32 of shape [batch]"
            )


def _warm_up(
    bundle: Bundle, session: InferenceRunner, size: int, raise_if_cancelled: Callable[[], None]
) -> WarmedBatch:
    frames = np.zeros((size, *bundle.manifest.decode.shape), np.uint8)
    names = output_names(bundle)
    raise_if_cancelled()
    run_model(session, frames, names)  # not timed: the first run of a shape allocates memory and searches algorithms
    started = time.perf_counter()
    best_s = float("inf")
    while best_s == float("inf") or time.perf_counter() - started < _WARM_UP_S_MAX:
        raise_if_cancelled()
        run_started = time.perf_counter()
        run_model(session, frames, names)
        best_s = min(best_s, time.perf_counter() - run_started)
    return WarmedBatch(size, round(size / best_s, 1))
