"""Inspection code that the peers share with the worker, so that all use the same pixels and emit the same event.

Decoding, verdict and event are the worker's. The ONNX Runtime session is a plain one with the given number of threads,
so the steps are called one by one instead of `LoadedModel.inspect`.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.decode_spec import Image, Pixels
from stripwatch.worker.model.bundle import INPUT_NAME
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_model import load_model
from stripwatch.worker.model.session import Output, output_names
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.infer import infer_batch
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, Prediction
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, RecordBuilder
from tests.benchmarks.peers.task import Task

REJECT_BYTES_MAX = 900_000


def open_plain_session(bundle: Path, threads: int) -> ort.InferenceSession:
    """Return a hand-tuned session: a fixed number of threads, without spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(read_bundle(bundle).model, options, providers=["CPUExecutionProvider"])


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """Response of a model server to one frame. heatmaps: bytes of float32 [rows, columns, labels]."""

    width_px: int
    height_px: int
    scores: tuple[float, ...]
    heatmaps: bytes
    places: tuple[int, int]


class Inspector:
    """Inspect frames and return records. It is also a Predictor for stripwatch.worker.pipeline.inspect.infer."""

    def __init__(self, task: Task) -> None:
        bundle = Path(task.bundle)
        one = {"bundle": bundle, "provider": "cpu", "batch_frames_max": 1, "inference_threads": 1}
        self.model = load_model(load_settings(None, one))
        self._outputs = output_names(self.model.session.bundle)
        self._session = open_plain_session(bundle, task.setting.threads)
        self._events = EventBuilder({})
        self._records = RecordBuilder(Topics(**task.topics), REJECT_BYTES_MAX)

    def decode(self, encoded: bytes) -> Image:
        return self.model.decode(encoded)

    def predict(self, frames: Pixels) -> Output:
        scores, *heatmaps = self._session.run(self._outputs, {INPUT_NAME: frames})
        return Output(scores, heatmaps[0] if heatmaps else None)

    def inspect(self, frames: Sequence[Frame]) -> list[OutgoingRecord]:
        """Inspect these frames as one batch, and return their records."""
        batch = []
        for frame in frames:
            started_s = time.monotonic()
            image = self.model.decode_frame(frame)
            finished_s = time.monotonic()
            batch.append(Decoded(frame, self.model, image, finished_s - started_s, finished_s))
        found = [outcome for outcome in infer_batch(batch, self) if isinstance(outcome, Prediction)]
        return [record for prediction in found for record in self._make(prediction)]

    def answer(self, images: Sequence[Image]) -> list[bytes]:
        """Return the model's reply to each image. Used in a model server."""
        output = self.predict(np.stack([image.pixels for image in images]))
        return [msgspec.msgpack.encode(_reply(image, output, at)) for at, image in enumerate(images)]

    def read_answer(self, frame: Frame, answer: bytes, took_s: float) -> list[OutgoingRecord]:
        """Return the records of a frame, given the server's reply. Used in the consumer in front of a model server."""
        reply = msgspec.msgpack.decode(answer, type=Reply)
        heatmaps = np.frombuffer(reply.heatmaps, np.float32).reshape(*reply.places, -1) if reply.heatmaps else None
        size = reply.width_px, reply.height_px
        return self._make(Prediction(frame, self.model, *size, reply.scores, 0.0, 0.0, took_s, heatmaps))

    def _make(self, prediction: Prediction) -> list[OutgoingRecord]:
        return self._records.build(self._events.result(prediction, time.monotonic()), prediction.frame)


def frame_of(record: Record) -> Frame:
    return read_record(record, "", time.monotonic())


def record_of(
    place: tuple[str, int, int],
    timestamp_ms: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
) -> Record:
    """place: topic, partition and offset."""
    return Record(Position(*place), timestamp_ms, key, value, headers)


def _reply(image: Image, output: Output, at: int) -> Reply:
    maps = None if output.heatmaps is None else output.heatmaps[at]
    encoded, places = (b"", (0, 0)) if maps is None else (maps.tobytes(), (maps.shape[0], maps.shape[1]))
    return Reply(image.width_px, image.height_px, tuple(output.scores[at].tolist()), encoded, places)
