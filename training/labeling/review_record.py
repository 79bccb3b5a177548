"""Review frames as published on Kafka, with the prediction of the model."""

from dataclasses import dataclass, field

import msgspec

from stripwatch.worker.contracts.events import Candidate
from stripwatch.worker.contracts.frame_headers import ReviewHeaders, read_frame_copy
from stripwatch.worker.contracts.header_names import OWN_PREFIX, SUBJECT, TIME
from stripwatch.worker.contracts.line.correction import Correction, read_correction
from stripwatch.worker.contracts.positions import Record
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.record_fields import RecordFields

_NAME_CHARS_MAX, _VALUE_CHARS_MAX = 200, 100_000  # the limit of Python's csv module is 131,072 per cell


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """A review frame.

    id: of the frame's result. encoded: the original bytes from the camera. layout: of a raw buffer; None for an image
    file. guess: predicted label. score: of that label, 0 to 1. scores: of all labels, as JSON. correction: the decision
    of a person, if there is one. reason: why a person should look at the frame, "" where it is not stated. novelty,
    novelty_threshold: novelty score and the value above which a frame is novel; None where they are not stated. boxes:
    of the model, as JSON. no_defect: label that means "no defect". Both are "" where they are not stated.
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
    correction: Correction | None = None
    reason: str = ""
    novelty: float | None = None
    novelty_threshold: float | None = None
    boxes: str = ""
    no_defect: str = ""


def read_review(record: Record) -> ReviewRecord:
    """Parse a record of the review topic. Raises ValueError for a record that is neither a review frame
    nor a correction.
    """
    copy = read_frame_copy(record, ReviewHeaders)
    own = copy.own
    for name, value in msgspec.structs.asdict(own).items():
        if value is not None and not 0 < len(str(value).strip()) <= _VALUE_CHARS_MAX:
            raise ValueError(f"the header '{OWN_PREFIX}{name}' is empty or too large")
    try:
        msgspec.json.decode(own.scores, type=dict[str, float])
    except msgspec.MsgspecError as error:
        raise ValueError(f"the header '{OWN_PREFIX}scores' is not a JSON object of scores: {error}") from error
    try:
        msgspec.json.decode(own.boxes or "[]", type=list[Candidate])
    except msgspec.MsgspecError as error:
        raise ValueError(f"the header '{OWN_PREFIX}boxes' is not a JSON array of boxes: {error}") from error
    headers = {name: _text(value) for name, value in record.headers}
    return ReviewRecord(
        id=own.event_id.strip(),
        encoded=record.value or b"",
        guess=own.label.strip(),
        score=own.score,
        scores=own.scores,
        camera=_text(record.key),
        coil=headers.get(SUBJECT, ""),
        captured_at=headers.get(TIME, ""),
        model=f"{own.model_name} {own.model_version}",
        model_sha256=own.model_sha256,
        layout=RecordFields.of(copy.original.headers).raw_layout(),
        correction=read_correction(record.headers),
        reason=(own.reason or "").strip()[:_NAME_CHARS_MAX],
        novelty=own.novelty,
        novelty_threshold=own.novelty_threshold,
        boxes=own.boxes or "",
        no_defect=(own.no_defect or "").strip(),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace").strip()[:_NAME_CHARS_MAX]
