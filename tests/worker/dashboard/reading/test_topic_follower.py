"""A follower tells records that were just written from those that it reads again after a lost connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.dashboard.reading import topic_follower
from stripwatch.worker.dashboard.reading.topic_follower import TopicFollower
from stripwatch.worker.dashboard.state.camera_health import CameraHealth
from stripwatch.worker.dashboard.web.server import follow_cameras
from tests.worker.dashboard.scene.camera_states import state

NOW_S = 1_800_000_000.0
SETTINGS = load_settings(None, {"bootstrap_servers": "127.0.0.1:1"})


class BreakingReader:
    """Returns the two records of the past, then a new one, and then loses the connection."""

    def __init__(self, *_: Any) -> None:
        self.caught_up_at_s: float | None = None
        self._left = ["oldest", "newest", "new"]

    def poll(self) -> list[str]:
        if not self._left:
            raise BrokerUnavailableError("connection lost")
        self.caught_up_at_s = 1.0 if len(self._left) <= 2 else None
        return [self._left.pop(0)]


@contextmanager
def no_consumer(_: Any) -> Iterator[None]:
    yield None


def test_records_read_again_after_a_lost_connection_are_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_follower, "open_reader", no_consumer)
    monkeypatch.setattr(topic_follower, "list_topics", lambda *_: ["cameras"])
    monkeypatch.setattr(topic_follower, "TopicReader", BreakingReader)
    monkeypatch.setattr(topic_follower, "_AGAIN_S", 0.0)
    seen: list[tuple[str, bool]] = []

    def add(record: str) -> None:
        seen.append((record, follower.is_live))
        if len(seen) == 4:
            follower._stopped.set()

    follower = TopicFollower(SETTINGS, "cameras", add, "test")
    follower._run()
    assert seen == [("oldest", False), ("newest", False), ("new", True), ("oldest", False)]
    assert follower.has_read.is_set()


def test_a_camera_state_of_the_past_counts_as_heard_when_it_was_written() -> None:
    health = CameraHealth()
    follower = follow_cameras(SETTINGS, health, wall=lambda: NOW_S)
    follower.has_read.set()
    written = SimpleNamespace(
        value=msgspec.json.encode(state("top-1", NOW_S, ())), timestamp=round(1000 * NOW_S) - 900_000
    )
    for is_live, word in ((False, "unknown"), (True, "ok")):
        follower.is_live = is_live
        follower._add(written)
        row = {"camera": "top-1", "last_ms": 0, "heard_ms": 0, "rejecting": False}
        line = {"line": state("top-1", NOW_S, ()).line, "stopped": False, "cameras": [row]}
        assert health.annotate([line], round(1000 * NOW_S))[0]["cameras"][0]["health"]["word"] == word
