"""The headers page describes every header that is read or written."""

import re

import msgspec
import pytest

from docs.generate.headers import headers_page
from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.frame import read_record
from stripwatch.worker.contracts.frame_headers import OriginHeaders, RejectHeaders, ReviewHeaders
from stripwatch.worker.contracts.header_specs import (
    CORRECTION_HEADERS,
    EVENT_HEADERS,
    FRAME_COPY_HEADERS,
    FRAME_HEADERS,
    HeaderSpec,
)
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.raw_header import PIXEL_FORMATS

NAMES = {value for name, value in vars(header_names).items() if name.isupper() and not name.endswith("PREFIX")}


def test_every_header_name_is_a_row_with_a_meaning() -> None:
    own = {
        header_names.OWN_PREFIX + field.name
        for kind in (OriginHeaders, RejectHeaders, ReviewHeaders)
        for field in msgspec.structs.fields(kind)
    }
    for name in NAMES | own:
        rows = re.findall(rf"^\| `{re.escape(name)}` \| (.+) \| (.+?) \|", headers_page(), re.MULTILINE)
        assert rows, name
        assert all(len(meaning) > 10 or form for form, meaning in rows)


@pytest.mark.parametrize(
    "header",
    [*FRAME_HEADERS, *EVENT_HEADERS, *FRAME_COPY_HEADERS, *CORRECTION_HEADERS],
    ids=lambda each: each.name,
)
def test_a_header_has_form_meaning_and_example(header: HeaderSpec) -> None:
    assert header.form
    assert header.example
    assert header.description.endswith(".")


@pytest.mark.parametrize("header", FRAME_HEADERS, ids=lambda each: each.name)
def test_a_header_of_a_frame_states_what_happens_without_it(header: HeaderSpec) -> None:
    assert header.missing.endswith(".")
    assert header.malformed.endswith(".")


@pytest.mark.parametrize("header", FRAME_HEADERS, ids=lambda each: each.name)
def test_the_example_of_a_frame_header_is_read_without_a_fault(header: HeaderSpec) -> None:
    assert faults(header.name, header.example.encode()) == ()


@pytest.mark.parametrize("header", FRAME_HEADERS, ids=lambda each: each.name)
def test_a_malformed_header_that_is_counted_says_so(header: HeaderSpec) -> None:
    is_raw = header.name in (header_names.PIXEL_FORMAT, header_names.WIDTH_PX, header_names.HEIGHT_PX)
    is_raw |= header.name == header_names.STRIDE_BYTES
    counted = bool(faults(header.name, b"\xff"))
    assert is_raw or counted == ("stripwatch_header_faults_total" in header.malformed)


def test_every_pixel_format_is_a_row() -> None:
    assert [name for name in PIXEL_FORMATS if f"\n| `{name}` | " not in headers_page()] == []


def faults(name: str, value: bytes) -> tuple[str, ...]:
    record = Record(Position("frames", 0, 0), 1_795_400_000_000, b"top-1", b"x", [(name, value)])
    return read_record(record, "cluster", received_s=0.0, now_ms=1_795_400_000_000).faults
