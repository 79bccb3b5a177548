"""Correction of a prediction by a person: the headers that it adds to a copy of the frame on the review topic."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from stripwatch.worker.contracts import header_names as names
from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.frame_headers import Headers
from stripwatch.worker.contracts.header_specs import DECISIONS
from stripwatch.worker.contracts.timestamps import parse_rfc3339

Decision = Literal["confirmed", "relabelled", "not_a_defect"]


@dataclass(frozen=True, slots=True)
class Correction:
    """Decision of a person about a frame.

    Attributes:
        decision: The prediction is right, the frame shows another class, or it shows no defect.
        label: True label of the frame; "" for "not_a_defect" if the bundle has no label that means so.
        by: Name of the person.
        at: Time of the decision, RFC 3339 in UTC.
        verdict: Verdict of the worker.
    """

    decision: Decision
    label: str
    by: str
    at: str
    verdict: str

    @property
    def at_ms(self) -> int:
        """Time of the decision, in milliseconds since 1970."""
        return parse_rfc3339(self.at)


def correction_headers(correction: Correction, event_id: str, copied: Headers) -> Headers:
    """Return the headers of a correction.

    Args:
        correction: The decision.
        event_id: Id of the frame's result.
        copied: Headers of a copy of the frame. Only `ce_id` is replaced, because each correction is an event.
    """
    identity = f"{event_id}-correction-{correction.at_ms}".encode()
    stated = [
        (names.CORRECTION, correction.decision),
        (names.CORRECTED_BY, correction.by),
        (names.CORRECTED_AT, correction.at),
        (names.ORIGINAL_VERDICT, correction.verdict),
        *([(names.CORRECTED_LABEL, correction.label)] if correction.label else []),
    ]
    kept = [(name, identity if name == names.ID else value) for name, value in copied]
    return kept + [(name, value.encode()) for name, value in stated]


def read_correction(headers: Iterable[tuple[str, bytes | None]]) -> Correction | None:
    """Parse the headers of a correction; None for a record that is not one. Raises ValueError if one is malformed."""
    given = dict(headers)
    if given.get(names.CORRECTION) is None:
        return None
    decision, label, by, at, verdict = (
        _text(given, name)
        for name in (
            names.CORRECTION,
            names.CORRECTED_LABEL,
            names.CORRECTED_BY,
            names.CORRECTED_AT,
            names.ORIGINAL_VERDICT,
        )
    )
    if decision not in DECISIONS:
        raise ValueError(f"the header '{names.CORRECTION}' must be one of {', '.join(DECISIONS)}, not {decision!r}")
    if not by or not (label or decision == "not_a_defect"):
        raise ValueError(f"the header '{names.CORRECTED_LABEL if by else names.CORRECTED_BY}' is missing")
    try:
        parse_rfc3339(at)
    except ValueError as error:
        raise ValueError(f"the header '{names.CORRECTED_AT}' is malformed: {error}") from error
    return Correction(cast(Decision, decision), label, by, at, verdict)


def _text(headers: dict[str, bytes | None], name: str) -> str:
    """Return the text of a header, "" if it is missing. Raises ValueError if it is not printable or too long."""
    try:
        text = (headers.get(name) or b"").decode().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"the header '{name}' is not UTF-8") from error
    if len(text) > NAME_CHARS_MAX or not text.isprintable():
        raise ValueError(f"the header '{name}' must have at most {NAME_CHARS_MAX} printable characters")
    return text
