from pathlib import Path

import msgspec
import pytest

from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.export.runs.run_folder import file_sha256, read_run, write_run
from stripwatch.worker.common.errors import InputError
from tests.export.runs.records import MODEL, RUN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.keras").write_bytes(MODEL)
    write_run(tmp_path, RUN)
    return tmp_path


def test_reads_a_written_run(folder: Path) -> None:
    assert read_run(folder) == RUN


def test_ignores_fields_of_later_versions(folder: Path) -> None:
    record = msgspec.json.decode((folder / "run.json").read_bytes())
    (folder / "run.json").write_bytes(msgspec.json.encode(record | {"mood": "good"}))
    assert read_run(folder) == RUN


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b'{"schema": "stripwatch.run/2"}', "has schema 'stripwatch.run/2', but this version reads 'stripwatch.run/1'"),
        (b'{"schema": "stripwatch.run/1"}', "is malformed: Object missing required field"),
        (b'{"schema": "stripw', "is malformed: Input data was truncated"),
        (b"{}", "is malformed"),
    ],
)
def test_rejects_a_malformed_record_or_another_schema(folder: Path, record: bytes, message: str) -> None:
    (folder / "run.json").write_bytes(record)
    with pytest.raises(InputError, match=message):
        read_run(folder)


def test_rejects_a_folder_without_a_record(folder: Path) -> None:
    (folder / "run.json").unlink()
    with pytest.raises(InputError, match="is not a finished run"):
        read_run(folder)


def test_rejects_a_model_that_does_not_match_the_record(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.keras is not the model that run\.json describes"):
        read_run(folder)


@pytest.fixture
def with_novelty(folder: Path) -> Path:
    (folder / "novelty.npz").write_bytes(b"a detector")
    facts = NoveltyFacts(1.5, 0.01, "neighbours", 40, file_sha256(folder / "novelty.npz"))
    write_run(folder, msgspec.structs.replace(RUN, novelty=facts))
    return folder


def test_rejects_a_novelty_detector_that_does_not_match_the_record(with_novelty: Path) -> None:
    assert read_run(with_novelty).novelty is not None
    (with_novelty / "novelty.npz").write_bytes(b"another")
    with pytest.raises(InputError, match=r"novelty\.npz is not the novelty detector that run\.json describes"):
        read_run(with_novelty)


def test_names_a_missing_novelty_detector(with_novelty: Path) -> None:
    (with_novelty / "novelty.npz").unlink()
    with pytest.raises(InputError, match=r"cannot read .*novelty\.npz"):
        read_run(with_novelty)


def test_names_a_missing_folder_or_model(folder: Path) -> None:
    with pytest.raises(InputError, match=r"run folder .*nowhere does not exist"):
        read_run(folder / "nowhere")
    (folder / "model.keras").unlink()
    with pytest.raises(InputError, match=r"cannot read .*model\.keras"):
        read_run(folder)


def test_reads_the_old_head_name_as_the_new_one(folder: Path) -> None:
    record = msgspec.json.decode((folder / "run.json").read_bytes())
    record["configuration"]["head"] = "article"
    (folder / "run.json").write_bytes(msgspec.json.encode(record))
    assert read_run(folder).configuration.head == "paper-baseline"
