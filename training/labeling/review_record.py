"""A frame as it lies on the review topic, and what the model said of it."""

from dataclasses import dataclass, field

import msgspec

from stripwatch.worker.contracts.frame_headers import original_headers
from stripwatch.worker.contracts.positions import Record
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.record_fields import RecordFields

_OWN = ("event_id", "label", "score", "scores", "model_name", "model_version", "model_sha256")
_NAME_CHARS_MAX, _VALUE_CHARS_MAX = 200, 100_000  # a cell of a CSV file may hold 131,072


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """id: of the frame's result. encoded: the camera's own bytes. layout: where they are a raw buffer.

    guess: the best class. scores: of all, JSON.
    """

    id: str
    encoded: bytes = field(repr=False)
    guess: str
    score: float
    scores: str
    camera: str
    coil: str
    captured_at: str
    model: str
    model_sha256: str
    layout: RawLayout | None = None


def read_review(record: Record) -> ReviewRecord:
    """Raises ValueError for a record that the worker did not write
    (stripwatch.worker.pipeline.produce.record_builder.review_headers).
    """
    headers = {name: (value or b"").decode(errors="backslashreplace").strip() for name, value in record.headers}
    try:
        own = {name: headers[f"stripwatch_{name}"] for name in _OWN}
        captured_at = headers["ce_time"]
    except KeyError as error:
        raise ValueError(f"it has no header {error}") from error
    unfit = next((name for name, value in own.items() if not 0 < len(value) <= _VALUE_CHARS_MAX), None)
    if unfit is not None:
        raise ValueError(f"its header 'stripwatch_{unfit}' is empty or too large")
    try:
        msgspec.json.decode(own["scores"], type=dict[str, float])
    except msgspec.MsgspecError as error:
        raise ValueError(f"its scores are none: {error}") from error
    return ReviewRecord(
        id=own["event_id"],
        encoded=record.value or b"",
        guess=own["label"],
        score=float(own["score"]),
        scores=own["scores"],
        camera=(record.key or b"").decode(errors="backslashreplace")[:_NAME_CHARS_MAX],
        coil=headers.get("ce_subject", "")[:_NAME_CHARS_MAX],
        captured_at=captured_at[:_NAME_CHARS_MAX],
        model=f"{own['model_name']} {own['model_version']}",
        model_sha256=own["model_sha256"],
        layout=RecordFields.of(original_headers(record.headers)).raw_layout(),
    )
