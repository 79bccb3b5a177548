"""Migration of a settings file on disk: backup, mode, links, and files that cannot be read or written."""

import os
from pathlib import Path

import pytest

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config import migration
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.migration import migrate_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.toml"


@pytest.mark.parametrize("content", [b"metrics_port =", b"\xff", b"metrics_port = 1\nmetrics_port = 2"])
def test_names_a_file_that_is_not_toml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"worker\.toml(: it is not UTF-8| is not valid TOML)"):
        migrate_file(file)


def test_names_a_file_that_is_missing_or_read_only(file: Path) -> None:
    with pytest.raises(InputError, match=r"settings file .*worker\.toml does not exist"):
        migrate_file(file)
    with pytest.raises(InputError, match="is not a file"):
        migrate_file(file.parent)
    file.write_text("metrics_port = 1")
    file.chmod(0o444)
    with pytest.raises(InputError, match=r"worker\.toml is read-only"):
        migrate_file(file)


def test_does_not_overwrite_a_backup(file: Path) -> None:
    file.with_name("worker.toml.bak").write_text("older")
    file.with_name("worker.toml.bak.1").symlink_to("nowhere")
    file.write_text("metrics_port = 1")
    assert migrate_file(file).backup == file.with_name("worker.toml.bak.2")
    assert file.with_name("worker.toml.bak").read_text() == "older"
    assert file.with_name("worker.toml.bak.2").read_text() == "metrics_port = 1"
    assert not file.with_name("nowhere").exists()


def test_keeps_a_byte_order_mark(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfmetrics_port = 1\r\n")
    migrate_file(file)
    assert file.read_bytes() == b"\xef\xbb\xbfmetrics.port = 1\r\n"
    assert load_settings(file, {}).metrics.port == 1


def test_keeps_the_owner_and_mode_of_the_file(file: Path) -> None:
    file.write_text("metrics_port = 1")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 12345, 12345)
    owner = file.stat()
    migrate_file(file)
    for one in (file, file.with_name("worker.toml.bak")):
        assert (one.stat().st_mode, one.stat().st_uid, one.stat().st_gid) == (owner.st_mode, owner.st_uid, owner.st_gid)


def test_keeps_a_symbolic_link(file: Path) -> None:
    target = file.with_name("shared.toml")
    target.write_text("metrics_port = 1")
    file.symlink_to(target)
    migrate_file(file)
    assert file.is_symlink()
    assert target.read_text() == "metrics.port = 1"


def test_removes_the_backup_if_the_new_file_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_on_the_file(path: Path, data: bytes, like: os.stat_result | None = None) -> None:
        if path == file:
            raise InputError(f"cannot write {path}: No space left on device")
        atomic_write(path, data, like)

    monkeypatch.setattr(migration, "atomic_write", fail_on_the_file)
    file.write_text("metrics_port = 1")
    with pytest.raises(InputError, match="No space left"):
        migrate_file(file)
    assert file.read_text() == "metrics_port = 1"
    assert list(file.parent.iterdir()) == [file]
