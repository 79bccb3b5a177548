"""A camera's record as a frame: the rules of fallback, and that nothing a sender writes can make it fail."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.contracts.frame import Frame, event_id, read_record
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.timestamps import rfc3339

POSITION = Position("inspection.frames", 3, 1042)


def read(headers: list[tuple[str, bytes | None]], key: bytes | None = None, timestamp_ms: int = 1000) -> Frame:
    return read_record(Record(POSITION, timestamp_ms, key, b"image", headers), "cluster", 5.0)


def test_what_the_sender_says_is_read() -> None:
    frame = read(
        [
            ("ce_source", b"/plant/hot-rolling/line-1/top-1"),
            ("ce_subject", "Spule-ä".encode()),
            ("ce_time", b"2026-11-23T02:00:00.123Z"),
            ("ce_strippositionmm", b"-120"),
        ]
    )
    assert (frame.camera, frame.line) == ("top-1", "/plant/hot-rolling/line-1")
    assert (frame.coil, frame.strip_position_mm) == ("Spule-ä", -120)
    assert rfc3339(frame.captured_ms) == "2026-11-23T02:00:00.123Z"
    assert frame.faults == ()


@pytest.mark.parametrize(
    ("key", "source", "camera"),
    [
        (b"top-1", b"/line/top-2", "top-1"),
        (None, b"/line/top-2", "top-2"),
        (None, b"top-2", "top-2"),
        (b"\xff", b"/line/top-2/", "top-2"),
        (None, b"///", "inspection.frames-3"),
        (None, None, "inspection.frames-3"),
    ],
)
def test_the_camera_is_the_key_else_the_source_else_the_partition(
    key: bytes | None, source: bytes | None, camera: str
) -> None:
    assert read([("ce_source", source)], key).camera == camera


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-11-23T02:00:00"),
        ("ce_time", b"9999-12-31T23:59:59-23:59"),
        ("ce_time", b"0001-01-01T00:00:00Z"),
        ("ce_strippositionmm", b"1e3"),
        ("ce_strippositionmm", "١٢".encode()),
        ("ce_strippositionmm", b"9007199254740993"),
        ("ce_subject", b"\xff"),
        ("ce_subject", b"x" * 201),
        ("ce_subject", b"a\x00b"),
        ("traceparent", b"00-zz"),
    ],
)
def test_a_malformed_header_is_named_and_its_field_is_unknown(header: str, value: bytes) -> None:
    frame = read([(header, value)])
    assert frame.faults == (header,)
    assert (frame.coil, frame.strip_position_mm, frame.traceparent) == (None, None, None)
    assert frame.captured_ms == 1000


names = st.sampled_from(["ce_time", "ce_subject", "ce_source", "ce_strippositionmm", "traceparent", "x"])
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=40) | st.text(max_size=20).map(str.encode)))


@given(
    headers, st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=20), st.integers(-(2**63), 2**63 - 1)
)
def test_no_record_makes_it_fail(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None, timestamp_ms: int
) -> None:
    frame = read_record(Record(POSITION, timestamp_ms, key, value, headers), "", 0.0)
    assert frame.camera
    assert datetime.fromisoformat(rfc3339(frame.captured_ms))
    assert frame.encoded == (value or b"")


def test_headers_are_kept_for_a_reject_where_they_are_few_and_small() -> None:
    assert read([("a", b"1"), ("b", None)]).headers == (("a", b"1"),)
    assert read([("", b"")] * 65).headers is None
    assert read([("a", b"x" * 20_000)]).headers is None


positions = st.builds(
    Position, st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True), st.integers(0, 99), st.integers(0, 10**6)
)


@given(positions, positions, st.integers(0, 2**42))
def test_ids_of_different_frames_differ_and_the_same_frame_has_one(a: Position, b: Position, at_ms: int) -> None:
    assert (event_id(a, at_ms, "c") == event_id(b, at_ms, "c")) == (a == b)


def test_a_topic_recreated_or_another_cluster_gives_other_ids() -> None:
    assert len({event_id(POSITION, at_ms, cluster) for at_ms in (1, 2) for cluster in ("c", "d")}) == 4


@given(st.integers(0, 4_102_444_800_000))
def test_times_are_rfc3339_to_the_millisecond(time_ms: int) -> None:
    parsed = datetime.fromisoformat(rfc3339(time_ms))
    assert parsed.tzinfo == UTC
    assert round(parsed.timestamp() * 1000) == time_ms
