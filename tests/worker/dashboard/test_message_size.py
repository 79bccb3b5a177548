"""The message that viewers receive twice per second stays small for names of any length and number."""

from types import SimpleNamespace

import msgspec

from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.broadcaster import Broadcaster
from tests.worker.coils.long_names import LONG_CHARS, texts, with_long_names
from tests.worker.dashboard.events import Shown, event
from tests.worker.dashboard.histories import AT, NOW_MS, new_history
from tests.worker.dashboard.scene.camera_states import state

MESSAGE_BYTES_MAX = 100_000  # a few results with names of any length
STATE_BYTES_MAX = 4_000_000  # with as many lines, cameras, classes, models and coils as the page keeps


def read(history: History, result: Result) -> None:
    history.add_result(msgspec.json.encode(result), NOW_MS, 0.0, live=True)


def test_long_names_keep_the_message_small_and_stay_distinct() -> None:
    history = new_history()
    for number in range(3):
        read(history, with_long_names(number))
    hub = Broadcaster(history)
    hub._make()
    assert len(hub._state) < MESSAGE_BYTES_MAX
    assert len(hub._coils) < MESSAGE_BYTES_MAX
    assert sum(len(card) for _, card in hub._cards) < MESSAGE_BYTES_MAX
    shown = history.state()
    assert len(shown["lines"]) == len(shown["models"]) == len(shown["labels"]) == len(shown["running"]) == 3
    found = [history.coil(row["id"]) for row in shown["running"]]
    assert max(len(text) for text in texts(msgspec.to_builtins(found))) <= NAME_CHARS_MAX


def test_time_with_many_digits_is_shown_normally() -> None:
    history = new_history()
    result = event(Shown(0, label="pits"), SimpleNamespace(topic="frames", partition=1, offset=0), AT)
    (seconds, _, _) = result.frame.captured_at.partition(".")
    long = f"{seconds}.{'0' * LONG_CHARS}Z"
    read(history, msgspec.structs.replace(result, frame=msgspec.structs.replace(result.frame, captured_at=long)))
    cards = history.cards_after(0)
    assert [card.captured_at for card in cards] == [f"{seconds}.000Z"] * len(cards)
    assert history.state()["totals"].get("unreadable", 0) == 1 - len(cards)


def test_largest_possible_state_has_an_upper_bound() -> None:
    """Every frame names a new line, camera, class, coil and model, and each character takes six bytes in JSON."""
    history = new_history()
    names = [f"{number}".ljust(NAME_CHARS_MAX, "\x01") for number in range(80)]
    for number in range(20 * 80):
        name, line = names[number % 80], names[number // 80]
        shown = Shown(number, coil=names[number % 30], camera=name, label=name, line=line)
        result = event(shown, SimpleNamespace(topic="frames", partition=1, offset=number), AT)
        model = msgspec.structs.replace(result.model, name=name, version=name, sha256=name, provider=name)
        read(history, msgspec.structs.replace(result, model=model))
    for number in range(20 * 80):
        stated = state(
            names[number % 80], NOW_MS / 1000, (("dark", 3),) * 99, line=names[number // 80], worker=names[0] * 9
        )
        stated = msgspec.structs.replace(stated, rejects=dict.fromkeys(names, 1), statistics=dict.fromkeys(names, 0.1))
        model = msgspec.structs.replace(stated.model, name=names[0] * 9, version=names[0] * 9)
        assert history.health.add(msgspec.json.encode(msgspec.structs.replace(stated, model=model)), NOW_MS)
    hub = Broadcaster(history)
    hub._make()
    assert 1_000_000 < len(hub._state) < STATE_BYTES_MAX


def test_classes_beyond_the_limit_become_other_on_coils_and_cards_too() -> None:
    history = new_history()
    for number in range(200):
        shown = Shown(number, label=f"class {number}")
        read(history, event(shown, SimpleNamespace(topic="frames", partition=1, offset=number), AT))
    history.close_coils(1000.0)
    (row,) = history.ended_rows()
    found = history.coil(row["id"])
    assert found is not None
    assert len(row["defects"]) == len(history.state()["labels"]) == len(found[1].labels) == 65
    assert sum(row["defects"].values()) == 200
    assert history.cards_after(199)[0].label == "other"
