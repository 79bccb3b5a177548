"""Names of any length: results stay small, and distinct names stay distinct."""

from types import SimpleNamespace

import msgspec
import pytest

from stripwatch.worker.coils.tracking.bounded_names import bounded_result, shorten
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.observations import observation_from_reject, observation_from_result, read_result
from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.frame_info import FrameInfo
from tests.worker.coils.long_names import LONG_CHARS, long_name, text_fields, texts, with_long_names
from tests.worker.dashboard.events import Shown, event
from tests.worker.dashboard.histories import AT, NOW_MS

SUMMARY_BYTES_MAX = 10_000


def test_every_text_of_a_result_has_a_maximum_length() -> None:
    result = with_long_names(0)
    assert text_fields(FrameInfo) >= {"camera", "line", "coil", "side", "topic", "replay_of", "captured_at"}
    assert max(map(len, texts(msgspec.to_builtins(result)))) > LONG_CHARS
    assert max(map(len, texts(msgspec.to_builtins(bounded_result(result))))) <= NAME_CHARS_MAX


@pytest.mark.parametrize("name", ["", "top-1", "x" * NAME_CHARS_MAX, "é" * NAME_CHARS_MAX])
def test_ordinary_name_is_unchanged(name: str) -> None:
    assert shorten(name) == name


def test_long_names_with_the_same_beginning_stay_distinct() -> None:
    one, other = (shorten("x" * LONG_CHARS + end) for end in "ab")
    assert one != other
    assert one == shorten("x" * LONG_CHARS + "a")
    assert len(one) == NAME_CHARS_MAX
    assert "x…" in one


def test_summary_with_long_names_fits_into_a_record() -> None:
    result = read_result(msgspec.json.encode(with_long_names(0)))
    assert result is not None
    observation = observation_from_result(result, NOW_MS)
    assert observation is not None
    summary = msgspec.json.encode(CoilAggregate(observation).summary())
    assert len(summary) < SUMMARY_BYTES_MAX


def test_replay_with_a_long_id_still_matches_its_reject() -> None:
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
