"""What a person searches for: part of a coil's name, and a time range."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.dashboard.past.errors import QueryError

SHIFTS_MAX, _DIGITS_MAX = 90, 4
_TIME = "a time such as 2026-11-23T06:00:00Z"


@dataclass(frozen=True, slots=True)
class CoilQuery:
    """A search for coils.

    part: part of the coil's name or id, in any case; empty for all. from_ms, to_ms: a coil is found if part of it was
    captured in between; None is unlimited. results: read the results, although there are summaries of coils.
    """

    part: str = ""
    from_ms: int | None = None
    to_ms: int | None = None
    results: bool = False

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Self:
        """Read the parameters `coil`, `from`, `to` and `source` of a request. Raises QueryError."""
        query = cls(
            part=text_of(parameters, "coil").strip().casefold(),
            from_ms=time_of(parameters, "from"),
            to_ms=time_of(parameters, "to"),
            results=parameters.get("source", "") == "results",
        )
        if query.from_ms is not None and query.to_ms is not None and query.from_ms > query.to_ms:
            raise QueryError("'from' must not be later than 'to'")
        return query

    def matches(self, summary: CoilSummary) -> bool:
        """Return whether the search finds this coil."""
        named = self.part in (summary.coil or "").casefold() or summary.id == self.part
        first_ms, last_ms = parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
        return named and first_ms <= (self.to_ms or first_ms) and last_ms >= (self.from_ms or last_ms)


@dataclass(frozen=True, slots=True)
class CoilTarget:
    """One coil that a report asks for.

    id: its id. line, coil, from_ms, to_ms: its line, name, and the times of its first and last frame, as far as the
    address of the report states them. Without them, only the summaries of coils can tell where its records are.
    """

    id: str
    line: str | None = None
    coil: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Self:
        """Read the parameters `id`, `line`, `name`, `from` and `to` of a request. Raises QueryError."""
        target = cls(
            id=text_of(parameters, "id"),
            line=text_of(parameters, "line") or None,
            coil=text_of(parameters, "name") or None,
            from_ms=time_of(parameters, "from"),
            to_ms=time_of(parameters, "to"),
        )
        if not target.id:
            raise QueryError("'id' is missing: the id of a coil, as the history lists it")
        return target

    def is_of(self, summary: CoilSummary) -> bool:
        """Return whether this is the coil, also if its id has changed because its first frames were deleted."""
        if summary.id == self.id:
            return True
        if self.from_ms is None or self.to_ms is None or summary.supplement:
            return False
        first_ms, last_ms = parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
        return (summary.line, summary.coil) == (self.line, self.coil) and (
            first_ms <= self.to_ms and last_ms >= self.from_ms
        )


@dataclass(frozen=True, slots=True)
class ShiftQuery:
    """A comparison of the last `count` shifts. line: only the coils of this line; None for all lines."""

    count: int = 9
    line: str | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Self:
        """Read the parameters `count` and `line` of a request; `line` may be empty. Raises QueryError."""
        text = parameters.get("count", "9")
        count = int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS_MAX else 0
        if not 1 <= count <= SHIFTS_MAX:
            raise QueryError(f"'count' must be a number from 1 to {SHIFTS_MAX}, not {text[:40]!r}")
        return cls(count, text_of(parameters, "line") if "line" in parameters else None)

    def matches(self, summary: CoilSummary) -> bool:
        """Return whether a coil is one of the line."""
        return self.line is None or (summary.line or "") == self.line


def text_of(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter; empty if it is missing. Raises QueryError if it is longer than any name of a coil."""
    text = parameters.get(name, "")
    if len(text) > NAME_CHARS_MAX:
        raise QueryError(f"{name!r} has {len(text)} characters; the maximum is {NAME_CHARS_MAX}")
    return text


def time_of(parameters: Mapping[str, str], name: str) -> int | None:
    """Return a time in milliseconds since 1970; None if it is missing. Raises QueryError if it is not a time."""
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        time_ms = parse_rfc3339(text[:40])
    except (ValueError, OverflowError) as error:
        raise QueryError(f"{name!r} must be {_TIME}, not {text[:40]!r}") from error
    if time_ms < 0:
        raise QueryError(f"{name!r} must not be before 1970")
    return time_ms
