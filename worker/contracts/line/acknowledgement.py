"""Acknowledgement of an alarm by a person, as `stripwatch view` writes it. Fields are added, never changed or removed.

The description of a field is part of its JSON Schema and of the reference.
"""

from typing import Annotated, get_args
from urllib.parse import quote

import msgspec
from msgspec import Meta

from stripwatch.worker.contracts.coil_summary import AlarmRule, LimitUnit
from stripwatch.worker.contracts.frame_headers import Headers, cloudevent_headers

ACKNOWLEDGEMENT_SCHEMA = "stripwatch.acknowledgement/1"


class Acknowledgement(msgspec.Struct, frozen=True):
    """A person has seen an alarm."""

    schema: Annotated[str, Meta(description="Name and version of this schema.")]
    alarm_id: Annotated[
        str,
        Meta(
            description="Id of the alarm, made from line, coil, rule, class and `step`, so it is the same on every "
            "page server."
        ),
    ]
    line: Annotated[str | None, Meta(description="Line of the coil; null where its cameras state none.")]
    coil: Annotated[str | None, Meta(description="Coil id from `ce_subject`; null for frames without one.")]
    coil_id: Annotated[
        str,
        Meta(
            description="Id of the coil's summary as the page server knew it. A server that began to read in the "
            "middle of the coil has another one."
        ),
    ]
    rule: Annotated[
        AlarmRule,
        Meta(
            description="Kind of the limit, as in a coil summary: "
            + ", ".join(f"`{rule}`" for rule in get_args(AlarmRule))
            + "."
        ),
    ]
    label: Annotated[str | None, Meta(description="Class that the limit is for; null for limits of the whole coil.")]
    step: Annotated[
        int,
        Meta(
            description="How often the value had doubled beyond the limit: 0 up to twice the limit, 1 up to 4 times, "
            "and so on. Each step is an alarm of its own, and an acknowledgement covers all lower steps."
        ),
    ]
    value: Annotated[float, Meta(description="Value at the time of the acknowledgement, in `unit`.")]
    limit: Annotated[float, Meta(description="Limit from the settings of the page, in `unit`.")]
    unit: Annotated[LimitUnit, Meta(description="Unit of `value` and `limit`, as in a coil summary.")]
    by: Annotated[str, Meta(description="Name of the person.")]
    at: Annotated[str, Meta(description="Time by the clock of the page server, RFC 3339 in UTC with milliseconds.")]


def acknowledgement_headers(acknowledgement: Acknowledgement) -> Headers:
    """Return the CloudEvents headers of an acknowledgement."""
    source = quote(acknowledgement.line or "/")
    identity, at = acknowledgement.alarm_id, acknowledgement.at
    return cloudevent_headers(f"{identity}-{at}", source, "acknowledgement", at, acknowledgement.coil or None)
