"""Names of any length: what is kept of a result stays small, and no two names become one."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stripwatch.worker.coils.bounded_names import bounded_result, shorten
from stripwatch.worker.coils.coil import CoilAggregate
from stripwatch.worker.coils.observations import observation_from_reject, observation_from_result, read_result
from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.events import FrameInfo, Result
from tests.worker.dashboard.events import Shown, event
from tests.worker.dashboard.test_history import AT, NOW_MS

LONG_CHARS = 1_000_000
SUMMARY_BYTES_MAX = 10_000


def long_name(kind: str, number: int) -> str:
    """Names of one kind differ only at their end."""
    return f"{kind} ".ljust(LONG_CHARS, "x") + str(number)


def text_fields(struct: type[msgspec.Struct]) -> set[str]:
    """Those that take any text; a new one is long in these tests without being named here."""
    found = set()
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        kinds = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
        if any(isinstance(kind, msgspec.inspect.StrType) for kind in kinds):
            found.add(field.name)
    return found


def with_long_names(number: int) -> Result:
    """Each text is long, except the time, which is not a name."""
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


def test_every_text_of_a_result_has_a_maximum_length() -> None:
    result = with_long_names(0)
    assert text_fields(FrameInfo) >= {"camera", "line", "coil", "side", "topic", "replay_of", "captured_at"}
    assert max(map(len, texts(msgspec.to_builtins(result)))) > LONG_CHARS
    assert max(map(len, texts(msgspec.to_builtins(bounded_result(result))))) <= NAME_CHARS_MAX


@pytest.mark.parametrize("name", ["", "top-1", "x" * NAME_CHARS_MAX, "é" * NAME_CHARS_MAX])
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert shorten(name) == name


def test_two_long_names_that_begin_alike_stay_two() -> None:
    one, other = (shorten("x" * LONG_CHARS + end) for end in "ab")
    assert one != other
    assert one == shorten("x" * LONG_CHARS + "a")
    assert len(one) == NAME_CHARS_MAX
    assert "x…" in one


def test_a_summary_with_long_names_fits_into_a_record() -> None:
    result = read_result(msgspec.json.encode(with_long_names(0)))
    assert result is not None
    observation = observation_from_result(result, NOW_MS)
    assert observation is not None
    summary = msgspec.json.encode(CoilAggregate(observation).summary())
    assert len(summary) < SUMMARY_BYTES_MAX


def test_a_replay_with_a_long_id_still_belongs_to_its_reject() -> None:
    identity = long_name("reject", 0)
    place = SimpleNamespace(topic="frames", partition=1, offset=1)
    replay = event(Shown(0), place, AT)
    replay = msgspec.structs.replace(replay, frame=msgspec.structs.replace(replay.frame, replay_of=identity))
    result = read_result(msgspec.json.encode(replay))
    reject = observation_from_reject(b"top-1", [("ce_id", identity.encode())], NOW_MS)
    assert result is not None
    assert reject is not None
    seen = observation_from_result(result, NOW_MS)
    assert seen is not None
    assert seen.frame_id == reject.frame_id
    assert len(reject.id) == NAME_CHARS_MAX
