"""Results with names of any length."""

from types import SimpleNamespace
from typing import Any

import msgspec

from stripwatch.worker.contracts.events import Result
from tests.worker.dashboard.events import Shown, event
from tests.worker.dashboard.histories import AT

LONG_CHARS = 1_000_000


def long_name(kind: str, number: int) -> str:
    """Return a long name. Names of one kind differ only at their end."""
    return f"{kind} ".ljust(LONG_CHARS, "x") + str(number)


def text_fields(struct: type[msgspec.Struct]) -> set[str]:
    """Return the fields that hold arbitrary text. New fields are covered without being listed here."""
    found = set()
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        kind = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type  # with a description
        kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
        if any(isinstance(kind, msgspec.inspect.StrType) for kind in kinds):
            found.add(field.name)
    return found


def with_long_names(number: int) -> Result:
    """Make every text long except the time, which is not a name."""
    result = event(Shown(number, label="pits"), SimpleNamespace(topic="frames", partition=1, offset=number), AT)

    def long(part: msgspec.Struct) -> dict[str, str]:
        return {name: long_name(name, number) for name in text_fields(type(part)) - {"captured_at"}}

    return msgspec.structs.replace(
        result,
        **long(result),
        scores={long_name("score", number): 0.5},
        defects=[msgspec.structs.replace(defect, **long(defect)) for defect in result.defects],
        frame=msgspec.structs.replace(result.frame, **long(result.frame)),
        model=msgspec.structs.replace(result.model, **long(result.model)),
    )


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, list | tuple) else []
