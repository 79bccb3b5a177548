"""Candidates are timed together, also if a search continues with other ones."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.progress import Progress

from stripwatch.training.frontier.measure import costs
from stripwatch.training.frontier.measure.costs import ROUNDS, CostMeter
from stripwatch.training.frontier.measure.frame_cost import Round
from stripwatch.training.frontier.measure.store import Store

pytestmark = pytest.mark.training


def candidate(name: str, decode: str = "grey") -> Any:
    return SimpleNamespace(name=name, source=SimpleNamespace(spec=lambda _: None, size=(64, 64), decode=decode))


class Machine:
    """A machine with other load: every frame takes `frame_ms`. timed: names of the candidates, in order."""

    def __init__(self) -> None:
        self.frame_ms = 1.0
        self.timed: list[str] = []

    def measure(self, subject: Any) -> Round:
        self.timed.append(subject.name)
        return Round(decode_ms=self.frame_ms, inference_ms=0.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(costs, "measure_round", found.measure)
    monkeypatch.setattr(costs, "open_subject", lambda graph, *_: SimpleNamespace(name=graph.decode(), batch=1))
    return found


def meter(folder: Path, refused: str = "") -> CostMeter:
    """Return the meter of a new search in a folder. refused: candidate that the budget does not allow."""
    store = Store(folder)
    context: Any = SimpleNamespace(
        store=store,
        progress=Progress(disable=True),
        cost_key=lambda each: each.name,
        cost_ms=lambda decode_ms, inference_ms: decode_ms + inference_ms,
        frames=SimpleNamespace(bit_depth=8, encoded=lambda _: [b"frame"]),
        budget=SimpleNamespace(allows=lambda _: False),
    )
    for name in {"a", "b", "c"} - {refused}:
        store.write_graph(name, name.encode())
    return CostMeter(context)


def test_candidates_take_turns(machine: Machine, tmp_path: Path) -> None:
    found = meter(tmp_path)
    found.measure([candidate("a"), candidate("b")])
    assert machine.timed == ["a", "b"] * ROUNDS
    assert found.cost_ms == {"a": 1.0, "b": 1.0}


def test_candidates_that_decode_alike_have_the_same_decoding_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    noisy = {"a": Round(1.0, 0.25), "b": Round(1.5, 0.5), "c": Round(9.0, 0.125)}
    monkeypatch.setattr(costs, "measure_round", lambda subject: noisy[subject.name])
    found = meter(tmp_path)
    found.measure([candidate("a"), candidate("b"), candidate("c", decode="rgb")])
    assert {name: (each.decode_ms, each.inference_ms) for name, each in found.costs.items()} == {
        "a": (1.25, 0.25),
        "b": (1.25, 0.5),
        "c": (9.0, 0.125),
    }
    again = meter(tmp_path)
    again.measure([candidate("a"), candidate("b"), candidate("c", decode="rgb")])
    assert again.costs == found.costs


def test_a_repeated_search_times_nothing(machine: Machine, tmp_path: Path) -> None:
    meter(tmp_path).measure([candidate("a"), candidate("b")])
    machine.timed.clear()
    again = meter(tmp_path)
    again.measure([candidate("b")])
    again.measure([candidate("a")])
    assert machine.timed == []
    assert again.cost_ms == {"a": 1.0, "b": 1.0}


def test_a_new_candidate_is_not_cheaper_because_the_machine_has_less_load(machine: Machine, tmp_path: Path) -> None:
    meter(tmp_path).measure([candidate("a"), candidate("b")])
    machine.frame_ms, machine.timed = 0.5, []
    later = meter(tmp_path)
    later.measure([candidate("a")])
    assert machine.timed == []
    later.measure([candidate("a"), candidate("b"), candidate("c")])
    assert machine.timed == ["a", "b", "c"] * ROUNDS
    assert later.cost_ms == {"a": 0.5, "b": 0.5, "c": 0.5}


def test_candidates_that_were_timed_on_different_days_are_timed_together(machine: Machine, tmp_path: Path) -> None:
    meter(tmp_path).measure([candidate("a")])
    machine.frame_ms = 0.5
    meter(tmp_path).measure([candidate("b")])
    found = meter(tmp_path)
    assert not found.is_timed(candidate("c"))
    found.measure([candidate("a"), candidate("b")])
    assert found.cost_ms == {"a": 0.5, "b": 0.5}
    assert found.is_timed(candidate("b"))
    assert not found.is_timed(candidate("c"))


def test_an_earlier_cost_does_not_count_if_the_budget_allows_no_new_one(machine: Machine, tmp_path: Path) -> None:
    meter(tmp_path / "x").measure([candidate("a"), candidate("b")])
    (tmp_path / "x" / "graph-b.onnx").unlink()
    found = meter(tmp_path / "x", refused="b")
    found.measure([candidate("a"), candidate("b"), candidate("c")])
    assert list(found.costs) == ["a", "c"]
    assert "over the time budget" in found.untried["b"]
