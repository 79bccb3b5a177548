"""Conversion of records into frames: fallback values, faults, and robustness against any content."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.contracts.frame import Frame, event_id, read_record
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339

POSITION = Position("inspection.frames", 3, 1042)
NOW_MS = 1_795_889_000_000
SENT_MS = NOW_MS - 1000


def read(headers: list[tuple[str, bytes | None]], key: bytes | None = None, timestamp_ms: int = SENT_MS) -> Frame:
    return read_record(Record(POSITION, timestamp_ms, key, b"image", headers), "cluster", 5.0, NOW_MS)


def test_reads_the_headers_of_a_frame() -> None:
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
def test_takes_the_camera_from_the_key_else_the_source_else_the_partition(
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
        ("ce_time", b"1970-01-01T00:00:07Z"),
        ("ce_time", b"1999-12-31T23:59:59Z"),
        ("ce_time", rfc3339(NOW_MS + 86_400_000).encode()),
        ("ce_strippositionmm", b"1e3"),
        ("ce_strippositionmm", "١٢".encode()),
        ("ce_strippositionmm", b"9007199254740993"),
        ("ce_strippositionmm", b"9007199254740991"),
        ("ce_strippositionmm", b"1000000000001"),
        ("ce_strippositionmm", b"-1000000000001"),
        ("ce_stripdirection", b"backwards"),
        ("ce_stripdirection", b"Forward"),
        ("ce_subject", b"\xff"),
        ("ce_subject", b"x" * 201),
        ("ce_subject", b"a\x00b"),
        ("traceparent", b"00-zz"),
    ],
)
def test_records_a_malformed_header_as_a_fault_and_leaves_its_field_empty(header: str, value: bytes) -> None:
    frame = read([(header, value)])
    assert frame.faults == (header,)
    assert (frame.coil, frame.strip_position_mm, frame.strip_direction, frame.traceparent) == (None, None, None, None)
    assert frame.captured_ms == SENT_MS


@pytest.mark.parametrize("position", [10**12, -(10**12), 2**32])
def test_accepts_positions_of_an_encoder_that_is_never_reset(position: int) -> None:
    frame = read([("ce_strippositionmm", str(position).encode())])
    assert (frame.strip_position_mm, frame.faults) == (position, ())


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_reads_the_direction_of_the_strip(direction: str) -> None:
    assert read([("ce_stripdirection", direction.encode())]).strip_direction == direction
    assert read([]).strip_direction is None


@pytest.mark.parametrize(
    ("source", "camera", "line"),
    [
        ("/plant/line%201/cam%C3%A4", "camä", "/plant/line 1"),
        ("https://plant/line/cam", "cam", "https://plant/line"),
        ("https://cam", "cam", None),
        ("urn:camera:42", "urn:camera:42", None),
        ("/plant/line 1/camä", "camä", "/plant/line 1"),
        ("/plant/line/top%2F1", "top/1", "/plant/line"),
        ("/plant/line%251/cam", "cam", "/plant/line%1"),
        ("/cam", "cam", None),
        ("/plant/" + "%E9%92%A2" * 200, "钢" * 200, "/plant"),
    ],
)
def test_passes_the_source_through_unchanged_and_decodes_its_names(source: str, camera: str, line: str | None) -> None:
    frame = read([("ce_source", source.encode())])
    assert (frame.camera, frame.line, frame.faults) == (camera, line, ())
    for kind in ("result", "defect", "evidence", "reject", "review", "shadow"):
        assert dict(event_headers(frame, kind))["ce_source"] == source.encode()


def test_the_key_overrides_the_camera_but_not_the_source() -> None:
    frame = read([("ce_source", b"/plant/line%201/cam%C3%A4")], b"top-1")
    assert (frame.camera, frame.line) == ("top-1", "/plant/line 1")
    assert dict(event_headers(frame, "result"))["ce_source"] == b"/plant/line%201/cam%C3%A4"


@pytest.mark.parametrize(
    "source",
    [
        b"/plant/line/cam%",
        b"/plant/line/cam%4",
        b"/plant/line%zz/cam",
        b"/plant/line/%FF",
        b"/plant/line/cam%00",
        b"/plant/line%0A/cam",
        b"/plant/line/cam\n",
        b"/plant/line/.",
        b"/plant/line/%2E%2E",
        b".",
        b"///",
        b"https://",
        b"https:",
        b"urn:",
        b"https://?x=1",
        b"#top-1",
        b"/plant/" + b"x" * 201,
        b"/" + b"%41" * 700,
        b"\xff/cam",
    ],
)
def test_replaces_a_malformed_source_and_records_a_fault(source: bytes) -> None:
    frame = read([("ce_source", source)], b"top 1")
    assert (frame.camera, frame.line, frame.source, frame.faults) == ("top 1", None, None, ("ce_source",))
    assert dict(event_headers(frame, "result"))["ce_source"] == b"/top%201"


@pytest.mark.parametrize(
    ("source", "camera", "line"),
    [
        ("/plant/line/top-2/", "top-2", "/plant/line"),
        ("https://plant/line/top-2?x=1#f", "top-2", "https://plant/line"),
        ("/plant/line/top-2?path=/a/b", "top-2", "/plant/line"),
        ("/plant/line/top-2/#/a/b", "top-2", "/plant/line"),
        ("https://top-2?x=1", "top-2", None),
    ],
)
def test_ignores_what_follows_the_path_of_a_source_and_records_a_fault(
    source: str, camera: str, line: str | None
) -> None:
    frame = read([("ce_source", source.encode())])
    assert (frame.camera, frame.line, frame.faults) == (camera, line, ("ce_source",))
    assert dict(event_headers(frame, "result"))["ce_source"] == source.encode()


@pytest.mark.parametrize(
    "timestamp_ms", [SENT_MS // 1000, SENT_MS * 1000, SENT_MS * 1_000_000, 0, -1, 946_684_799_999, NOW_MS + 86_400_000]
)
def test_replaces_an_implausible_record_time_by_the_arrival_time_and_records_a_fault(timestamp_ms: int) -> None:
    frame = read([], timestamp_ms=timestamp_ms)
    assert (frame.captured_ms, frame.record_ms, frame.faults) == (NOW_MS, -1, ("timestamp",))
    assert frame.timestamp_ms == timestamp_ms  # a replay restores it
    assert frame.id == event_id(POSITION, timestamp_ms, "cluster")
    dated = read([("ce_time", b"2026-11-23T02:00:00.123Z")], timestamp_ms=timestamp_ms)
    assert (rfc3339(dated.captured_ms), dated.faults) == ("2026-11-23T02:00:00.123Z", ("timestamp",))


@pytest.mark.parametrize("timestamp_ms", [946_684_800_000, NOW_MS, NOW_MS + 86_399_999])
def test_accepts_an_old_frame_and_a_clock_that_is_hours_ahead(timestamp_ms: int) -> None:
    frame = read([], timestamp_ms=timestamp_ms)
    assert (frame.captured_ms, frame.record_ms, frame.faults) == (timestamp_ms, timestamp_ms, ())


def test_uses_the_arrival_time_if_there_is_no_other() -> None:
    before_ms = round(time.time() * 1000)
    frame = read_record(Record(POSITION, -1, None, b"image", []), "cluster", 5.0)
    assert before_ms <= frame.captured_ms <= round(time.time() * 1000)


RAW: list[tuple[str, bytes | None]] = [
    ("content-type", b"application/octet-stream"),
    ("ce_pixelformat", b"Mono12p"),
    ("ce_widthpx", b"2048"),
    ("ce_heightpx", b"1024"),
]


def test_reads_the_layout_of_a_raw_buffer() -> None:
    assert read(RAW).layout == RawLayout("Mono12p", 2048, 1024)
    assert read([*RAW, ("ce_stridebytes", b"3200")]).layout == RawLayout("Mono12p", 2048, 1024, 3200)
    unreadable = read([*RAW, ("ce_stridebytes", b"3200 ")])
    assert (unreadable.layout, unreadable.faults) == (RawLayout("Mono12p", 2048, 1024, 0), ("ce_stridebytes",))
    assert read(RAW[:1]).layout is None
    assert read([("ce_widthpx", b"no number")]).faults == (), "the size headers of an image file are not read"


def test_records_an_unreadable_layout_as_a_fault_and_leaves_it_to_the_decoder() -> None:
    frame = read([("ce_pixelformat", b"\xff"), ("ce_widthpx", b"1e3")])
    assert (frame.layout, frame.faults) == (RawLayout("", None, None), ("ce_pixelformat", "ce_widthpx"))


@pytest.mark.parametrize(
    ("value", "block_id", "faults"),
    [
        (b"0", 0, ()),
        (b"9007199254740991", 2**53 - 1, ()),
        (b"9007199254740992", None, ("ce_blockid",)),
        (b"18446744073709551615", None, ("ce_blockid",)),
        (b"-1", None, ("ce_blockid",)),
    ],
)
def test_accepts_block_ids_that_every_json_reader_can_represent(
    value: bytes, block_id: int | None, faults: tuple[str, ...]
) -> None:
    frame = read([("ce_blockid", value)])
    assert (frame.block_id, frame.faults) == (block_id, faults)


TIMES_AND_NAMES = ["ce_time", "ce_subject", "ce_source", "ce_strippositionmm", "ce_stripdirection", "traceparent", "x"]
names = st.sampled_from([*TIMES_AND_NAMES, "ce_pixelformat", "ce_widthpx", "ce_blockid"])
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=40) | st.text(max_size=20).map(str.encode)))


@given(
    headers, st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=20), st.integers(-(2**63), 2**63 - 1)
)
def test_converts_any_record(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None, timestamp_ms: int
) -> None:
    frame = read_record(Record(POSITION, timestamp_ms, key, value, headers), "", 0.0)
    assert frame.camera
    assert parse_rfc3339(rfc3339(frame.captured_ms)) == frame.captured_ms
    assert frame.encoded == (value or b"")


def test_keeps_headers_for_a_reject_if_they_are_few_and_small() -> None:
    assert read([("a", b"1"), ("b", None)]).headers == (("a", b"1"),)
    assert read([("", b"")] * 65).headers is None
    assert read([("a", b"x" * 20_000)]).headers is None


positions = st.builds(
    Position, st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True), st.integers(0, 99), st.integers(0, 10**6)
)


@given(positions, positions, st.integers(0, 2**42))
def test_ids_are_equal_only_for_the_same_position(a: Position, b: Position, at_ms: int) -> None:
    assert (event_id(a, at_ms, "c") == event_id(b, at_ms, "c")) == (a == b)


def test_ids_differ_after_a_topic_is_recreated_and_on_another_cluster() -> None:
    assert len({event_id(POSITION, at_ms, cluster) for at_ms in (1, 2) for cluster in ("c", "d")}) == 4
