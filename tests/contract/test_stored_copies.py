"""Rejects and review frames that a released worker stored on a topic stay readable.

Writer, reader and AsyncAPI document share one definition, so only literal headers can detect a renamed header.
"""

import pytest

from stripwatch.training.labeling.review_record import read_review
from stripwatch.worker.commands.stored_reject import read_reject
from stripwatch.worker.contracts.positions import Position, Record

OF_BOTH = [
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/top-1"),
    ("ce_time", b"2023-11-14T22:13:20.123Z"),
    ("ce_subject", b"C1"),
    ("ce_strippositionmm", b"1500"),
    ("stripwatch_topic", b"inspection.frames"),
    ("stripwatch_partition", b"2"),
    ("stripwatch_offset", b"41"),
    ("stripwatch_timestamp_ms", b"1700000000123"),
    ("stripwatch_key", b"top-1"),
    ("original.ce_subject", b"C1"),
    ("original.ce_strippositionmm", b"1500"),
]
REJECT = [
    ("ce_id", b"inspection.frames-2-41-a401c305"),
    ("ce_type", b"stripwatch.reject.v1"),
    ("content-type", b"application/octet-stream"),
    ("stripwatch_reason", b"truncated"),
    ("stripwatch_detail", b"half"),
    ("stripwatch_bytes", b"12"),
    ("stripwatch_bytes_kept", b"12"),
    *OF_BOTH,
]
REVIEW = [
    ("ce_id", b"inspection.frames-2-41-a401c305-review"),
    ("ce_type", b"stripwatch.review.v1"),
    ("content-type", b"image/png"),
    ("stripwatch_event_id", b"inspection.frames-2-41-a401c305"),
    ("stripwatch_label", b"pits"),
    ("stripwatch_score", b"0.75"),
    ("stripwatch_scores", b'{"clean":0.25,"pits":0.75}'),
    ("stripwatch_model_name", b"neu"),
    ("stripwatch_model_version", b"3"),
    ("stripwatch_model_sha256", b"f" * 64),
    *OF_BOTH,
]


def stored(headers: list[tuple[str, bytes]]) -> Record:
    return Record(Position("stored", 0, 7), 1_700_000_005_000, b"top-1", b"half a frame", list(headers))


def test_reads_the_frame_of_a_stored_reject() -> None:
    reject = read_reject(stored(REJECT))
    assert (reject.id, reject.camera, reject.reason, reject.detail) == (
        "inspection.frames-2-41-a401c305",
        "top-1",
        "truncated",
        "half",
    )
    assert reject.fault is None
    assert reject.original == Record(
        Position("inspection.frames", 2, 41),
        1_700_000_000_123,
        b"top-1",
        b"half a frame",
        [("ce_subject", b"C1"), ("ce_strippositionmm", b"1500")],
    )


def test_reads_the_prediction_of_a_stored_review_frame() -> None:
    review = read_review(stored(REVIEW))
    assert (review.id, review.guess, review.score, review.scores) == (
        "inspection.frames-2-41-a401c305",
        "pits",
        0.75,
        '{"clean":0.25,"pits":0.75}',
    )
    assert (review.camera, review.coil, review.captured_at) == ("top-1", "C1", "2023-11-14T22:13:20.123Z")
    assert (review.model, review.model_sha256) == ("neu 3", "f" * 64)


@pytest.mark.parametrize("name", ["stripwatch_bytes", "stripwatch_partition", "stripwatch_timestamp_ms"])
def test_names_the_header_of_an_invalid_number(name: str) -> None:
    headers = [(header, b"many" if header == name else value) for header, value in REJECT]
    with pytest.raises(ValueError, match=name):
        read_reject(stored(headers))
