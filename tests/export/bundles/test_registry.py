"""Registry: promotions, rollbacks, and their history."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from stripwatch.export.bundles import registry as stored
from stripwatch.export.bundles.registry import PromotionChange, promote, rollback
from stripwatch.worker.common.errors import BundleError, InputError
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.bundle_store import POINTER_FILE, PromotionHistory, load_resolved, resolve_bundle
from tests.tiny import LABELS, tiny_contract, write_bundle


def version(folder: Path, number: str, manifest: Manifest | None = None) -> Path:
    """A bundle outside the store; every version is another file."""
    return write_bundle(folder / f"{number}.onnx", replace(manifest or tiny_contract(), version=number))


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("promoted")
    for number in ("1", "2"):
        promote(folder / "store", version(folder, number))
    return folder


@pytest.fixture
def store(promoted: Path, tmp_path: Path) -> Path:
    """Versions 1 and 2 of "tiny", the second in force; next to the registry, the files they came from."""
    shutil.copytree(promoted, tmp_path, dirs_exist_ok=True)
    return tmp_path / "store"


def in_force(store: Path) -> str:
    return load_resolved(resolve_bundle(store / "tiny")).manifest.version


def test_what_was_promoted_last_is_what_runs(store: Path, tmp_path: Path) -> None:
    assert resolve_bundle(store / "tiny").path == store / "tiny" / "2.onnx"
    change = promote(store, version(tmp_path, "3"))
    assert (change.before and change.before.version, change.now.version) == ("2", "3")
    assert in_force(store) == "3"
    assert sorted(path.name for path in (store / "tiny").glob("*.onnx")) == ["1.onnx", "2.onnx", "3.onnx"]
    assert not list(store.rglob("*.part"))


def test_asking_again_tells_whether_another_one_was_chosen(store: Path, tmp_path: Path) -> None:
    first = resolve_bundle(store / "tiny")
    promote(store, tmp_path / "2.onnx")  # the same once more
    assert resolve_bundle(store / "tiny") == first
    promote(store, tmp_path / "1.onnx")
    assert resolve_bundle(store / "tiny") != first
    alone = resolve_bundle(tmp_path / "1.onnx")
    assert alone == resolve_bundle(tmp_path / "1.onnx")
    (tmp_path / "2.onnx").replace(tmp_path / "1.onnx")
    assert alone != resolve_bundle(tmp_path / "1.onnx")


def test_rollback_goes_back_step_by_step(store: Path, tmp_path: Path) -> None:
    promote(store, version(tmp_path, "3"))
    assert [rollback(store / "tiny").now.version for _ in range(2)] == ["2", "1"]
    with pytest.raises(InputError, match="no version was promoted before 1"):
        rollback(store / "tiny")
    assert in_force(store) == "1"
    promote(store, store / "tiny" / "3.onnx")
    assert rollback(store / "tiny").now.version == "1"


def test_a_version_never_changes(store: Path, tmp_path: Path) -> None:
    other = version(tmp_path, "1", tiny_contract(clean_label="dark"))
    with pytest.raises(InputError, match=r"1\.onnx already exists and is a different bundle"):
        promote(store, other)
    assert in_force(store) == "2"


def test_a_bundle_that_does_not_prove_itself_is_not_promoted(store: Path, tmp_path: Path) -> None:
    forged = version(tmp_path, "3", tiny_contract(labels=[LABELS[1], LABELS[0], LABELS[2]]))
    with pytest.raises(BundleError, match="is labelled"):
        promote(store, forged)
    forged.write_bytes(forged.read_bytes()[:-100])
    with pytest.raises(BundleError, match="truncated"):
        promote(store, forged)
    assert in_force(store) == "2"
    assert not (store / "tiny" / "3.onnx").exists()


def test_a_rollback_to_a_file_that_was_damaged_is_refused(store: Path, tmp_path: Path) -> None:
    (store / "tiny" / "1.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"1\.onnx is not a valid bundle"):
        rollback(store / "tiny")
    assert in_force(store) == "2"


def test_another_file_in_the_place_of_the_promoted_one_is_not_run(store: Path, tmp_path: Path) -> None:
    version(store / "tiny", "2", tiny_contract(clean_label="dark"))
    with pytest.raises(BundleError, match=r"2\.onnx is not the promoted bundle"):
        in_force(store)


@pytest.mark.parametrize(
    ("pointer", "says"),
    [
        (None, "tiny has no promoted bundle; name an ONNX file"),
        (b"", r"promoted\.json is malformed"),
        (b'{"schema": "stripwatch.promoted/2", "promotions": []}', "this version reads 'stripwatch.promoted/1'"),
        (b'{"schema": "stripwatch.promoted/1", "promotions": []}', "has no valid version"),
        (
            b'{"schema": "stripwatch.promoted/1", "promotions": [{"version": "../x", "sha256": "", "at": ""}]}',
            "has no valid version",
        ),
    ],
)
def test_reports_a_missing_promoted_file(store: Path, pointer: bytes | None, says: str) -> None:
    path = store / "tiny" / POINTER_FILE
    path.unlink() if pointer is None else path.write_bytes(pointer)
    for ask in (resolve_bundle, rollback):
        with pytest.raises(BundleError, match=says):
            ask(store / "tiny")


def test_rejects_a_name_that_is_not_a_file_name(tmp_path: Path) -> None:
    for changes, says in (({"name": "../x"}, r"name '\.\./x'"), ({"version": "a/b"}, "version 'a/b'")):
        file = write_bundle(tmp_path / "a.onnx", replace(tiny_contract(), **changes))
        with pytest.raises(BundleError, match=says):
            promote(tmp_path / "store", file)
    assert not (tmp_path / "store").exists()


def test_rejects_a_name_in_place_of_the_registry(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a name in a registry; give the registry itself"):
        promote(store / "tiny", tmp_path / "1.onnx")


def test_reports_a_read_only_disk_and_still_reads_from_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate a read-only folder, because root may write anywhere: the call that the kernel would refuse fails."""
    opened = Path.open

    def read_only(path: Path, mode: str = "r", *rest: object, **options: object) -> object:
        if mode != "rb":
            raise OSError(30, "Read-only file system")
        return opened(path, mode)

    file = version(tmp_path, "3")
    monkeypatch.setattr(Path, "open", read_only)
    changes: list[Callable[[], PromotionChange]] = [lambda: promote(store, file), lambda: rollback(store / "tiny")]
    for change in changes:
        with pytest.raises(InputError, match=r"cannot write to the registry .*tiny: Read-only file system"):
            change()
    assert in_force(store) == "2"


def test_a_full_disk_keeps_the_promoted_version(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    for number, name in (("3", "3.onnx"), ("1", POINTER_FILE)):
        file = version(tmp_path, number)
        monkeypatch.setattr(stored, "atomic_write", full)
        with pytest.raises(InputError, match=name):
            promote(store, file)
        assert in_force(store) == "2"


HOLD = """
import sys; from pathlib import Path; from stripwatch.export.bundles.registry import _locked
with _locked(Path(sys.argv[1])): print(flush=True); input()
"""


def test_rejects_a_promotion_while_another_is_in_progress(store: Path, tmp_path: Path) -> None:
    """The lock of a separate process is released when that process is killed."""
    command = [sys.executable, "-c", HOLD, str(store / "tiny")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        one = tmp_path / "1.onnx"
        changes: list[Callable[[], PromotionChange]] = [lambda: promote(store, one), lambda: rollback(store / "tiny")]
        for change in changes:
            with pytest.raises(InputError, match="another promotion or rollback of"):
                change()
        assert in_force(store) == "2"
        other.kill()
    promote(store, tmp_path / "1.onnx")
    assert in_force(store) == "1"


def test_a_rejected_promotion_keeps_the_lock_of_another_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one creates the folder in the moment in which this one would."""
    folder = tmp_path / "store" / "tiny"
    with ExitStack() as other:

        def overtaken(path: Path) -> None:
            path.mkdir(parents=True)
            lock = other.enter_context((path / ".lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)

        monkeypatch.setattr(stored, "make_folder", overtaken)
        with pytest.raises(InputError, match="another promotion or rollback of"):
            promote(tmp_path / "store", version(tmp_path, "1"))
        assert [path.name for path in folder.iterdir()] == [".lock"]


def test_concurrent_promotions_succeed_or_are_rejected(store: Path, tmp_path: Path) -> None:
    files = [version(tmp_path, str(number)) for number in range(3, 9)]

    def attempt(file: Path) -> str:
        try:
            return promote(store, file).now.version
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(len(files)) as pool:
        answers = list(pool.map(attempt, files))
    counted = [answer for answer in answers if answer.isdigit()]
    assert all("is in progress" in answer for answer in answers if answer not in counted)
    pointer = msgspec.json.decode((store / "tiny" / POINTER_FILE).read_bytes(), type=PromotionHistory)
    assert [each.version for each in pointer.promotions[:2]] == ["1", "2"]
    assert sorted(each.version for each in pointer.promotions[2:]) == sorted(counted)
    assert in_force(store) == pointer.promotions[-1].version


def test_records_who_changed_the_version_when_why_and_from_what_to_what(store: Path, tmp_path: Path) -> None:
    promote(store, version(tmp_path, "3"), "Maria Rossi", "trained on the frames of week 48")
    rollback(store / "tiny", "Jan Novák", "too many false alarms")
    promote(store, tmp_path / "2.onnx", "nobody", "already promoted")  # changes nothing
    changes = [each.change for each in stored.all_changes(store)]
    assert [(change.action, change.from_ and change.from_.version, change.to.version) for change in changes] == [
        ("promote", None, "1"),
        ("promote", "1", "2"),
        ("promote", "2", "3"),
        ("rollback", "3", "2"),
    ]
    assert [(change.by, change.reason) for change in changes[2:]] == [
        ("Maria Rossi", "trained on the frames of week 48"),
        ("Jan Novák", "too many false alarms"),
    ]
    assert (changes[0].by, changes[0].reason) == (stored.user_and_host(), None)
    assert changes[3].to.sha256 == read_bundle(tmp_path / "2.onnx").sha256
    assert changes[2].at <= changes[3].at


def test_a_file_of_version_0_1_0_keeps_its_promotions_as_history(store: Path, tmp_path: Path) -> None:
    path = store / "tiny" / POINTER_FILE
    pointer = msgspec.json.decode(path.read_bytes())
    del pointer["changes"]
    path.write_bytes(msgspec.json.encode(pointer))
    promote(store, version(tmp_path, "3"), "maria")
    changes = [each.change for each in stored.all_changes(store)]
    assert [(change.by, change.from_ and change.from_.version, change.to.version) for change in changes] == [
        (None, None, "1"),
        (None, "1", "2"),
        ("maria", "2", "3"),
    ]


def test_the_history_ends_where_it_would_grow_without_limit(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_CHANGES_MAX", 3)
    for number in ("1", "2", "1"):
        promote(store, tmp_path / f"{number}.onnx", reason=f"back to {number}")
    assert [each.change.reason for each in stored.all_changes(store)] == ["back to 1", "back to 2", "back to 1"]


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "a\x1b[31m", "x" * 501])
def test_rejects_a_text_that_a_line_of_the_history_cannot_show(store: Path, tmp_path: Path, text: str) -> None:
    file, folder = tmp_path / "1.onnx", store / "tiny"
    changes: list[Callable[[], PromotionChange]] = [
        lambda: promote(store, file, reason=text),
        lambda: rollback(folder, text or " "),
    ]
    for change in changes:
        with pytest.raises(InputError, match=r"must be one line of 1 to 500 printable characters"):
            change()
    assert in_force(store) == "2"


def test_a_failed_first_promotion_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(stored, "atomic_write", full)
    with pytest.raises(InputError, match="No space left"):
        promote(tmp_path / "store", version(tmp_path, "1"))
    assert list((tmp_path / "store" / "tiny").iterdir()) == []


def test_a_missing_name_is_rejected_like_a_missing_registry(store: Path) -> None:
    with pytest.raises(InputError, match="'stripwatch export list' shows it"):
        rollback(store / "other")
    with pytest.raises(InputError, match="is a name in a registry; give the registry itself"):
        stored.entries(store / "tiny")


def test_copies_the_bundle_byte_for_byte(store: Path, tmp_path: Path) -> None:
    assert (store / "tiny" / "1.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    assert read_bundle(store / "tiny" / "1.onnx").sha256 == read_bundle(tmp_path / "1.onnx").sha256


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "f" * 300])
def test_reports_an_impossible_file_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for read in (resolve_bundle, read_bundle):
        with pytest.raises(BundleError, match="cannot read the bundle"):
            read(path)
    with pytest.raises(InputError, match=r"cannot read|does not exist"):
        rollback(path)
    with pytest.raises(InputError):
        stored.entries(path)
    with pytest.raises(BundleError, match="cannot read the bundle"):
        promote(tmp_path, path)
