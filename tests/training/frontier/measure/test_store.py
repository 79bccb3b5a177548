from pathlib import Path

import msgspec
import numpy as np

from stripwatch.training.frontier.measure.store import Store


class Note(msgspec.Struct, frozen=True):
    number: int


def test_returns_what_was_stored(tmp_path: Path) -> None:
    store = Store(tmp_path / "measured")
    assert store.read_arrays("scores", "k") is None
    store.write_arrays("scores", "k", {"a/b": np.arange(3)})
    found = store.read_arrays("scores", "k")
    assert found is not None
    assert found["a/b"].tolist() == [0, 1, 2]
    store.write_record("note", "k", Note(3))
    assert store.read_record("note", "k", Note) == Note(3)


def test_damaged_files_are_measured_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "scores-k.npz").write_bytes(b"PK\x03\x04 cut short")
    (tmp_path / "note-k.json").write_text('{"count": 3}')
    assert store.read_arrays("scores", "k") is None
    assert store.read_record("note", "k", Note) is None


def test_large_files_are_removed_at_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_arrays("features", "k", {"a": np.zeros(1)})
    store.write_arrays("scores", "k", {"a": np.zeros(1)})
    store.write_graph("k", b"graph")
    assert store.read_graph("k") == b"graph"
    store.remove_temporary()
    assert [path.name for path in tmp_path.iterdir()] == ["scores-k.npz"]
