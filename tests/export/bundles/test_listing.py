import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from stripwatch.export.bundles.listing import as_json, as_table, count_entries, history_table
from stripwatch.export.bundles.registry import all_changes, entries, promote
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.model.loading.bundle_store import POINTER_FILE
from tests.printed import as_printed
from tests.tiny import tiny_contract, write_bundle


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A registry with versions 9 and 10 (promoted), a truncated file, and a file with the wrong version in its name."""
    for number in ("9", "10"):
        file = write_bundle(tmp_path / f"{number}.onnx", replace(tiny_contract(), version=number))
        promote(tmp_path / "store", file)
    folder = tmp_path / "store" / "tiny"
    (folder / "11.onnx").write_bytes(b"half")
    (folder / "12.onnx").write_bytes((folder / "9.onnx").read_bytes())
    return tmp_path / "store"


def test_lists_all_bundles_in_order_with_their_problems(store: Path) -> None:
    found = entries(store)
    assert [entry.version for entry in found] == ["9", "10", "11", "12"]
    summary = as_json(found)
    assert summary["promoted"] == {"tiny": "10"}
    problems = [bundle["problem"] for bundle in summary["bundles"]]
    assert problems[:2] == [None, None]
    assert "is not a valid bundle" in problems[2]
    assert "contains tiny 9" in problems[3]
    assert summary["bundles"][1]["sha256"][:12] in as_printed(as_table(found))


def test_counts_usable_bundles_and_other_files(store: Path) -> None:
    (store / "README.md").touch()
    (store / "tiny" / "13.tflite").touch()
    text = "2 used, 4 skipped: unusable bundle: 2 (tiny/11.onnx, tiny/12.onnx), not a bundle: 2 (README.md, "
    assert count_entries(store, entries(store)).text == f"{text}tiny/13.tflite)"


def test_lists_a_missing_promoted_file_and_a_broken_pointer(store: Path) -> None:
    (store / "tiny" / "10.onnx").unlink()
    (gone,) = [entry for entry in entries(store) if entry.promoted]
    assert "cannot read the bundle" in str(gone.problem)
    (store / "tiny" / POINTER_FILE).write_bytes(b"{")
    found = entries(store)
    assert not any(entry.promoted for entry in found)
    assert "is malformed" in str(found[0].problem)


def test_names_a_missing_registry(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"registry .* does not exist"):
        entries(tmp_path / "nowhere")
    assert entries(tmp_path) == []


def test_lists_versions_that_are_not_numbers_not_utf_8_or_look_like_markup(tmp_path: Path) -> None:
    names = [b"10", b"9", "\u00b2".encode(), "\u0663".encode(), b"a\xff", b"[red]x[b]"]
    (tmp_path / "tiny").mkdir()
    for name in names:
        (tmp_path / "tiny" / os.fsdecode(name + b".onnx")).write_bytes(b"half")
    found = entries(tmp_path)
    versions = [entry.version for entry in found]
    assert sorted(versions) == sorted(map(os.fsdecode, names))
    assert versions.index("9") < versions.index("10")
    text = as_printed(as_table(found))
    for shown in ("\u00b2", "\u0663", "a\\xff", "[red]x[b]"):
        assert shown in text


def test_the_history_shows_times_in_full_at_80_columns(store: Path) -> None:
    changes = all_changes(store)
    shown = as_printed(history_table(changes))
    assert [each.change.at in shown for each in changes] == [True, True]


def test_the_history_reads_no_bundles(store: Path) -> None:
    expected = all_changes(store)
    for file in (store / "tiny").glob("*.onnx"):
        file.unlink()
    assert all_changes(store) == expected
