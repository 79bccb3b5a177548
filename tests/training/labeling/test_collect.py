"""Review frames from Kafka are collected, sorted and read by `fit`."""

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.reviewed_folder import CSV_FILE, may_be_folder, read_entries, safe_name
from stripwatch.training.labeling.collect import Collector
from stripwatch.training.labeling.sort_frames import accept_sorted
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from stripwatch.worker.common.process.child_process import module_command
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.pipeline.inspect.outcomes import Prediction
from stripwatch.worker.pipeline.produce.record_builder import review_headers
from tests.frames import make_frame
from tests.raw_frames import pack, raw_headers
from tests.training.labeling.review_frames import EVENTS, MODEL, collect, drag, files, reviewed


def ids(out: Path) -> list[str]:
    return sorted(entry.id for entry in read_entries(out).values())


def test_stores_a_raw_buffer_as_png_with_the_same_pixels(tmp_path: Path) -> None:
    buffer, layout = pack(np.random.default_rng(0).integers(0, 4096, (32, 48)), "Mono12p")
    frame = make_frame(1, buffer, layout=layout, headers=tuple(raw_headers(layout)))
    event = EVENTS.result(Prediction(frame, MODEL, 48, 32, (0.4, 0.6), 0.0, 0.0, 0.0), 0.0)
    record = Record(Position("review", 0, 1), 1, b"top-1", buffer, review_headers(event, frame))
    summary = collect(tmp_path / "review", record)
    assert (summary["new"], summary["unreadable"]) == (1, 0)
    (stored,) = (tmp_path / "review").rglob("*.png")
    spec = DecodeSpec(32, 48, "grey")
    raw = decode(buffer, spec, layout=layout)
    assert np.array_equal(decode(stored.read_bytes(), spec).pixels, raw.pixels)
    (entry,) = read_entries(tmp_path / "review").values()
    assert entry.sha256 == hashlib.sha256(stored.read_bytes()).hexdigest()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Four collected frames, two for each predicted label."""
    collect(tmp_path / "review", *(reviewed(n, "pits" if n < 2 else "clean", coil=f"C{n}") for n in range(4)))
    return tmp_path / "review"


def test_stores_a_frame_by_its_id_in_the_folder_of_the_predicted_label(tmp_path: Path) -> None:
    record = reviewed(7)
    summary = collect(tmp_path / "review", record)
    assert (summary["new"], summary["guesses"]) == (1, {"pits": 1})
    (entry,) = read_entries(tmp_path / "review").values()
    file = tmp_path / "review" / "_unsorted" / "pits" / f"{entry.id}.png"
    assert file.read_bytes() == record.value
    assert tmp_path / "review" / entry.file == file
    assert (entry.guess, entry.score, entry.camera, entry.coil) == ("pits", "0.6000", "top-1", "C1")
    assert entry.labels == {"clean", "pits"}
    assert entry.model_sha256 == MODEL.info.sha256


def test_a_second_run_adds_new_frames_and_leaves_moved_or_removed_ones_alone(out: Path) -> None:
    drag(out, 0, "clean")
    drag(out, 1, "_unsorted/clean")
    next((out / "_unsorted").rglob("*-2-*")).unlink()
    before = files(out)
    summary = collect(out, *map(reviewed, range(6)))
    assert (summary["new"], summary["known"]) == (2, 4)
    assert [file for file in files(out) if "-4-" not in file and "-5-" not in file] == before
    paths = {entry.id: entry.file for entry in read_entries(out).values()}
    assert sorted(filter(None, paths.values())) == files(out)
    assert list(paths.values()).count("") == 1


def test_lists_files_of_a_killed_run_without_writing_them_again(out: Path) -> None:
    whole = (out / CSV_FILE).read_text()
    (out / CSV_FILE).write_text(whole.splitlines()[0] + "\n")
    drag(out, 0, "clean")
    collect(out, *(reviewed(n, "pits" if n < 2 else "clean", coil=f"C{n}") for n in range(4)))
    assert len(files(out)) == 4
    assert len(ids(out)) == 4
    assert next(file for file in files(out) if "-0-" in file).startswith("clean/")


def test_stops_at_the_limit_and_continues_in_the_next_run(tmp_path: Path) -> None:
    records = [reviewed(n) for n in range(5)]
    first = collect(tmp_path / "review", *records, frames_max=3)
    second = collect(tmp_path / "review", *records, frames_max=3)
    assert (first["new"], first["full"], second["new"], second["full"]) == (3, True, 2, False)
    assert len(files(tmp_path / "review")) == 5


def test_writes_the_list_when_the_broker_is_lost(tmp_path: Path) -> None:
    def records() -> Iterator[Record]:
        yield reviewed(0)
        raise InputError("gone")

    with pytest.raises(InputError, match="gone"):
        Collector(tmp_path / "review", 0).collect(records())
    assert len(ids(tmp_path / "review")) == 1


@pytest.mark.parametrize(
    "event_id", ["../../etc/x", "/abs", ".hidden", " x ", "a\\b", "x" * 300, "a\nb", "ä", "con/.."]
)
def test_takes_no_path_from_a_message(tmp_path: Path, event_id: str) -> None:
    out = tmp_path / "a" / "review"
    collect(out, reviewed(0, event_id=event_id, label="../../up", scores='{"../../up": 1.0}'))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file() and path.name != CSV_FILE)
    assert file.parent == out / "_unsorted" / "_other"
    assert ids(out) == [event_id.strip()]


@given(st.text(), st.text())
def test_different_ids_have_different_names(first: str, second: str) -> None:
    assert Path(safe_name(first)).name == safe_name(first)
    assert (safe_name(first) == safe_name(second)) == (first == second)


def test_counts_and_names_records_that_are_not_review_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = reviewed(3)
    broken = [
        Record(good.position, 1, None, b"x", []),
        Record(good.position, 1, b"top-1", b"no image", good.headers),
        reviewed(1, score="much"),
        reviewed(2, scores="[1]"),
        reviewed(4, event_id=" "),
        reviewed(5, model_name="x" * 200_000),  # exceeds the limit of a CSV cell
    ]
    assert collect(tmp_path / "review", *broken, good)["unreadable"] == 6
    assert "review-0-3 cannot be collected for review: it has no header 'stripwatch_event" in capsys.readouterr().err
    assert len(files(tmp_path / "review")) == 1


def test_does_not_write_to_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "a_1.jpg").touch()
    with pytest.raises(InputError, match=r"contains 'a_1.jpg' but no collected.csv"):
        Collector(tmp_path, 0)


def test_an_unsorted_prediction_is_not_a_label(out: Path) -> None:
    with pytest.raises(DataError, match=r"contains no sorted frames; .*--sorted"):
        read_dataset(out)
    drag(out, 0, "clean")
    drag(out, 1, "pits")
    assert [sample.labels for sample in read_dataset(out).samples] == [("clean",), ("pits",)]


def test_names_a_frame_in_two_folders(out: Path) -> None:
    file = next((out / "_unsorted").rglob("*-0-*"))
    (out / "clean").mkdir()
    (out / "clean" / file.name).write_bytes(file.read_bytes())
    before = files(out)
    reads: tuple[Callable[[], object], ...] = (
        lambda: read_dataset(out),
        lambda: collect(out, reviewed(0)),
        lambda: accept_sorted(out, new_labels=True),
    )
    for read in reads:
        with pytest.raises(DataError, match="are the same frame; keep it in one folder"):
            read()
    assert files(out) == before


def test_two_folders_form_one_data_set(out: Path, tmp_path: Path) -> None:
    for name in ("images/clean_1.jpg", "images/pits_1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    drag(out, 0, "clean")
    dataset = read_dataset(tmp_path / "images", also=[out])
    names = [sample.name for sample in dataset.samples]
    assert names[0].startswith("../review/clean/")
    assert names[1:] == ["clean_1.jpg", "pits_1.jpg"]
    assert all((dataset.root / name).is_file() for name in names)
    with pytest.raises(SettingsError, match="one contains the other"):
        read_dataset(tmp_path / "images", also=[tmp_path])


def test_rejects_a_label_that_could_escape_its_folder() -> None:
    assert not any(map(may_be_folder, ["", ".", "..", "a/b", "a\\b", "_skip", ".x", "a\n", " a", "x" * 101]))
    assert all(map(may_be_folder, ["clean", "rolled-in_scale", "Riß 2"]))


def test_a_broker_that_does_not_respond_leaves_no_folder(tmp_path: Path) -> None:
    command = [*module_command("training"), "collect", "--out", str(tmp_path / "review"), "--bootstrap-servers"]
    done = subprocess.run([*command, f"127.0.0.1:{free_port()}"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, list(tmp_path.iterdir())) == (4, [])
