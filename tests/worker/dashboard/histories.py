"""A history with a fixed clock."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
from msgspec.structs import replace

from stripwatch.worker.dashboard.state.history import History
from tests.worker.dashboard.events import Shown, event

NOW_MS = 1_800_000_000_000
AT = datetime.fromtimestamp(NOW_MS / 1000 - 1, UTC)


def new_history() -> History:
    return History(clock=lambda: NOW_MS / 1000)


def add(history: History, shown: Shown, read_s: float = 0.0, live: bool = True, captured_s: float = 0.0) -> None:
    place = SimpleNamespace(topic="frames", partition=1, offset=shown.number)
    captured = AT + timedelta(seconds=captured_s)
    history.add_result(msgspec.json.encode(event(shown, place, captured)), NOW_MS + round(1000 * read_s), read_s, live)


def replayed(number: int, reject_id: str) -> bytes:
    """Return the result of a frame that was sent again a day after its reject."""
    result = event(Shown(number), SimpleNamespace(topic="frames", partition=1, offset=100), AT - timedelta(days=1))
    return msgspec.json.encode(replace(result, frame=replace(result.frame, replay_of=reject_id)))
