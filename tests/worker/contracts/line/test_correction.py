"""The headers of a correction."""

import pytest

from stripwatch.worker.contracts import header_names as names
from stripwatch.worker.contracts.line.correction import Correction, correction_headers, read_correction

MADE = Correction("relabelled", "Kratzer ä", "Ada L.", "2026-11-29T10:00:00.250Z", "defect")
COPIED = [(names.ID, b"frames-0-7-abc-correction"), (names.SOURCE, b"/line/top-1")]


@pytest.mark.parametrize("made", [MADE, Correction("not_a_defect", "", "Bob", "2026-11-29T10:00:00.000Z", "unsure")])
def test_headers_are_read_back_unchanged(made: Correction) -> None:
    headers = correction_headers(made, "frames-0-7-abc", COPIED)
    assert read_correction(headers) == made
    assert dict(headers)[names.SOURCE] == b"/line/top-1"


def test_two_corrections_of_a_frame_have_different_event_ids() -> None:
    later = Correction("confirmed", "scratch", "Ada", "2026-11-29T10:00:01.250Z", "defect")
    first, second = (dict(correction_headers(made, "frames-0-7-abc", COPIED))[names.ID] for made in (MADE, later))
    assert first != second
    assert first.startswith(b"frames-0-7-abc-correction-")


def test_a_review_record_is_not_a_correction() -> None:
    assert read_correction(COPIED) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (names.CORRECTION, b"deleted"),
        (names.CORRECTION, b""),
        (names.CORRECTED_BY, b""),
        (names.CORRECTED_BY, b"a\x00b"),
        (names.CORRECTED_BY, b"x" * 201),
        (names.CORRECTED_LABEL, b""),
        (names.CORRECTED_LABEL, b"\xff"),
        (names.CORRECTED_AT, b"yesterday"),
        (names.CORRECTED_AT, b""),
    ],
)
def test_a_malformed_header_is_named(name: str, value: bytes) -> None:
    headers = [(key, value if key == name else kept) for key, kept in correction_headers(MADE, "id", COPIED)]
    with pytest.raises(ValueError, match=name):
        read_correction(headers)
