import asyncio
import json
from typing import Any

import pytest

from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.broadcaster import Broadcaster
from tests.worker.dashboard.events import Shown
from tests.worker.dashboard.histories import add, new_history


async def first_message(history: History, last_event_id: str = "") -> tuple[dict[str, Any], str]:
    """Return the first message of a new viewer: the data of each event, and the event id."""
    hub = Broadcaster(history)
    running = asyncio.create_task(hub.run())
    if last_event_id:
        last_event_id = last_event_id.replace("RUN", hub._run_id)
    stream = hub.events(last_event_id)
    text = ""
    while "event: state" not in text:
        text += (await anext(stream)).decode()
    assert hub.viewers == 1
    await hub.stop()
    await running
    assert [part async for part in stream] == []
    assert hub.viewers == 0
    data, identity = {}, ""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            data[fields["event"]] = json.loads(fields["data"])
        identity = fields.get("id", identity)
    return data, identity


def test_an_update_that_fails_does_not_end_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    history = new_history()
    make, failures = history.state, [ValueError("one bad event")]

    def state() -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return make()

    monkeypatch.setattr(history, "state", state)
    data, _ = asyncio.run(first_message(history))
    assert data["state"]["run"] == history.run_id


def seen(last_event_id: str) -> list[int]:
    history = new_history()
    for number in range(3):
        add(history, Shown(number, label="pits"))
    data, _ = asyncio.run(first_message(history, last_event_id))
    assert data["state"]["totals"]["inspected"] == 3
    return [card["seq"] for card in data.get("cards", [])]


def test_new_viewer_receives_everything() -> None:
    assert seen("") == [1, 2, 3]


def test_returning_viewer_receives_the_missed_cards() -> None:
    assert seen("RUN-2") == [3]
    assert seen("RUN-3") == []


def test_unknown_event_ids_receive_everything() -> None:
    for identity in ("other-2", "RUN-x", "RUN", "-1", "RUN-²"):
        assert seen(identity) == [1, 2, 3]


def test_line_break_in_a_name_cannot_forge_an_event() -> None:
    history = new_history()
    add(history, Shown(0, coil="a\n\nevent: state\ndata: {}", label="pits"))
    data, _ = asyncio.run(first_message(history))
    assert data["cards"][0]["coil"] == "a\n\nevent: state\ndata: {}"
