"""What a person searches for."""

import pytest

from stripwatch.worker.dashboard.past.errors import QueryError
from stripwatch.worker.dashboard.past.query import CoilQuery, CoilTarget, ShiftQuery
from tests.worker.coils.samples import logged, observation

COIL = logged([observation(0, captured_ms=60_000, coil="H-4711"), observation(1, captured_ms=120_000, coil="H-4711")])


@pytest.mark.parametrize(
    ("parameters", "is_found"),
    [
        ({}, True),
        ({"coil": " h-47 "}, True),
        ({"coil": "4712"}, False),
        ({"from": "1970-01-01T00:02:00Z"}, True),
        ({"from": "1970-01-01T00:02:01Z"}, False),
        ({"to": "1970-01-01T01:01:00+01:00"}, True),
        ({"to": "1970-01-01T00:00:59Z"}, False),
        ({"from": "1970-01-01T00:01:30Z", "to": "1970-01-01T00:01:31Z"}, True),
    ],
)
def test_finds_coils_by_part_of_their_name_and_by_overlapping_times(parameters: dict[str, str], is_found: bool) -> None:
    assert CoilQuery.of(parameters).matches(COIL) is is_found


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"from": "yesterday"}, "'from' must be a time such as 2026-11-23T06:00:00Z, not 'yesterday'"),
        ({"from": "2026-11-23T06:00:00"}, "'from' must be a time"),
        ({"to": "1900-01-01T00:00:00Z"}, "'to' must not be before 1970"),
        ({"from": "2026-11-23T06:00:00Z", "to": "2026-11-22T06:00:00Z"}, "'from' must not be later than 'to'"),
        ({"coil": "x" * 201}, "'coil' has 201 characters; the maximum is 200"),
    ],
)
def test_error_names_the_wrong_parameter(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(QueryError) as raised:
        CoilQuery.of(parameters)
    assert str(raised.value).startswith(message)


def test_report_is_of_the_coil_with_its_id_or_of_that_name_at_that_time() -> None:
    known = {"line": "/l", "name": "H-4711", "from": "1970-01-01T00:01:00Z", "to": "1970-01-01T00:02:00Z"}
    assert CoilTarget.of({"id": COIL.id}).is_of(COIL)
    assert CoilTarget.of({"id": "coil-other", **known}).is_of(COIL)
    assert not CoilTarget.of({"id": "coil-other", **known, "name": "H-4712"}).is_of(COIL)
    assert not CoilTarget.of({"id": "coil-other"}).is_of(COIL)
    with pytest.raises(QueryError, match="'id' is missing"):
        CoilTarget.of(known)


@pytest.mark.parametrize("count", ["0", "91", "-1", "x", "", "1e9", "9" * 5000, "٣"])
def test_number_of_shifts_is_limited(count: str) -> None:
    with pytest.raises(QueryError, match="'count' must be a number from 1 to 90"):
        ShiftQuery.of({"count": count})


def test_shifts_can_be_those_of_one_line_also_of_one_without_a_name() -> None:
    assert ShiftQuery.of({}) == ShiftQuery(9, None)
    assert ShiftQuery.of({"count": "3", "line": "/l"}).matches(COIL)
    assert not ShiftQuery.of({"line": ""}).matches(COIL)
