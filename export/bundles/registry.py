"""Registry of bundles: promote, roll back, list, and the history of changes.

The format is that of stripwatch.worker.model.loading.bundle_store. One writer per name holds a lock.
"""

import fcntl
import getpass
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import BundleError, InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.contracts.timestamps import utc_now
from stripwatch.worker.model.bundle import Bundle, Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.bundle_store import (
    POINTER_FILE,
    SCHEMA,
    SUFFIX,
    WORD,
    Change,
    Promotion,
    PromotionHistory,
    ResolvedBundle,
    VersionOfBundle,
    bundle_file,
    load_resolved,
    read_pointer,
)

LOCK_FILE = ".lock"
_PROMOTIONS_MAX = 100
_CHANGES_MAX = 1000
_TEXT_MAX = 500


@dataclass(frozen=True, slots=True)
class PromotionChange:
    """Result of a promotion or rollback.

    before: None for the first promotion of a name. warning: fault of a promoted bundle that does not prevent its use.
    """

    folder: Path
    before: Promotion | None
    now: Promotion
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class NamedChange:
    """A change of the promoted version, with the name of its bundle."""

    name: str
    change: Change


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A version in a registry. If its file is not a valid bundle, manifest and sha256 are None and problem says why."""

    name: str
    version: str
    path: Path
    promoted: bool
    manifest: Manifest | None
    sha256: str | None
    size_bytes: int
    problem: str | None


def promote(store: Path, file: Path, by: str | None = None, reason: str | None = None) -> PromotionChange:
    """Run the self-test of a bundle, copy it into the registry unless it is there, and make it the current version.

    Args:
        store: The registry.
        file: The bundle.
        by: The person, for the history of changes. Default: user and host, such as "maria@edge-3".
        reason: The person's reason, for the history of changes.

    Raises:
        BundleError: The bundle is invalid or fails its self-test.
        InputError: The registry cannot be written, another promotion is in progress, the version belongs to another
            bundle, or a text is invalid. After an error, the promoted version is unchanged.
    """
    by = by or user_and_host()
    _require_line("--by", by)
    _require_line("--reason", reason)
    bundle = read_bundle(file)
    name, version = bundle.manifest.name, bundle.manifest.version
    for what, word in (("name", name), ("version", version)):
        if not WORD.fullmatch(word):
            raise BundleError(
                f"{file}: its {what} {word!r} cannot be used in a registry; export again with a --{what} of letters, "
                "digits and . _ + - only"
            )
    _require_registry(store)
    _self_test(bundle)
    folder = store / name
    with _locked(folder, make=True):
        _copy_in(bundle, bundle_file(folder, version))
        history = read_pointer(folder) if (folder / POINTER_FILE).exists() else PromotionHistory(SCHEMA, [])
        before = history.promotions[-1] if history.promotions else None
        if before and (before.version, before.sha256) == (version, bundle.sha256):
            return PromotionChange(folder, before, before, bundle.manifest.no_clean_verdict)
        now = Promotion(version, bundle.sha256, utc_now())
        change = Change("promote", now.at, by, reason, _version_of(before), VersionOfBundle(version, bundle.sha256))
        _write_pointer(folder, [*history.promotions, now], [*changes_of(history), change])
    return PromotionChange(folder, before, now, bundle.manifest.no_clean_verdict)


def rollback(folder: Path, by: str | None = None, reason: str | None = None) -> PromotionChange:
    """Make the previously promoted version current again, after its self-test.

    Arguments and errors are those of promote.
    """
    by = by or user_and_host()
    _require_line("--by", by)
    _require_line("--reason", reason)
    if not _is_there(folder):
        raise InputError(f"{folder} does not exist; give REGISTRY/NAME, as 'stripwatch export list' shows it")
    read_pointer(folder)  # report a wrong folder before anything is written
    with _locked(folder):
        history = read_pointer(folder)
        if len(history.promotions) < 2:
            raise InputError(f"{folder}: no version was promoted before {history.promotions[-1].version}")
        *_, now, before = history.promotions
        _self_test(load_resolved(ResolvedBundle(bundle_file(folder, now.version), now.sha256, None)))
        to = VersionOfBundle(now.version, now.sha256)
        change = Change("rollback", utc_now(), by, reason, _version_of(before), to)
        _write_pointer(folder, history.promotions[:-1], [*changes_of(history), change])
    return PromotionChange(folder, before, now)


def changes_of(history: PromotionHistory) -> list[Change]:
    """Return all changes, oldest first.

    Version 0.1.0 recorded only its promotions, so they stand for the changes of a name that it managed.
    """
    if history.changes:
        return history.changes
    versions = [_version_of(promotion) for promotion in history.promotions]
    return [
        Change("promote", promotion.at, None, None, before, VersionOfBundle(promotion.version, promotion.sha256))
        for promotion, before in zip(history.promotions, [None, *versions], strict=False)
    ]


def all_changes(store: Path) -> list[NamedChange]:
    """Return the changes of all names of a registry in the order of time. Raises InputError or BundleError."""
    promoted = [folder for folder in _folders(store) if (folder / POINTER_FILE).exists()]
    named = [NamedChange(folder.name, change) for folder in promoted for change in changes_of(read_pointer(folder))]
    return sorted(named, key=lambda each: each.change.at)


def user_and_host() -> str:
    """Return the user of this process and the host. A user who became root with sudo keeps the own name."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _require_line(option: str, text: str | None) -> None:
    """Raise InputError for a text that a line of the history cannot show."""
    if text is not None and (not text.strip() or not text.isprintable() or len(text) > _TEXT_MAX):
        raise InputError(f"{option} must be one line of 1 to {_TEXT_MAX} printable characters")


def entries(store: Path) -> list[RegistryEntry]:
    """List all bundles of a registry by name and version, including invalid ones. Raises InputError."""
    return [entry for folder in _folders(store) for entry in _entries_of(folder)]


def _folders(store: Path) -> list[Path]:
    """Return the folders of all names of a registry. Raises InputError."""
    if not _is_there(store) or not store.is_dir():
        raise InputError(f"registry {store} does not exist")
    _require_registry(store)
    return [folder for folder in sorted(store.iterdir()) if folder.is_dir()]


def _require_registry(store: Path) -> None:
    """Raise InputError for REGISTRY/NAME in place of REGISTRY."""
    if _is_there(store / POINTER_FILE):
        raise InputError(f"{store} is a name in a registry; give the registry itself, {store.parent}")


def _version_of(promotion: Promotion | None) -> VersionOfBundle | None:
    return VersionOfBundle(promotion.version, promotion.sha256) if promotion else None


def _entries_of(folder: Path) -> Iterator[RegistryEntry]:
    promotion = None
    if (folder / POINTER_FILE).exists():
        try:
            promotion = read_pointer(folder).promotions[-1]
        except BundleError as error:
            yield RegistryEntry(folder.name, "", folder / POINTER_FILE, False, None, None, 0, str(error))
    versions = {path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}")}
    if promotion:
        versions.add(promotion.version)
    for version in sorted(versions, key=_by_number):
        in_force = promotion if promotion and promotion.version == version else None
        yield _entry(bundle_file(folder, version), version, in_force)


def _entry(path: Path, version: str, promotion: Promotion | None) -> RegistryEntry:
    names = (path.parent.name, version, path, promotion is not None)
    try:
        bundle = load_resolved(ResolvedBundle(path, promotion.sha256 if promotion else None, None))
    except BundleError as error:
        return RegistryEntry(*names, None, None, path.stat().st_size if path.exists() else 0, str(error))
    stated = (bundle.manifest.name, bundle.manifest.version)
    problem = None if stated == names[:2] else f"{path} contains {' '.join(stated)}"
    return RegistryEntry(*names, bundle.manifest, bundle.sha256, len(bundle.model), problem)


def _by_number(version: str) -> list[tuple[int, str]]:
    """Sort key that puts 10 after 9. Digits without a decimal value, such as "²", are text."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", version)]


def _is_there(path: Path) -> bool:
    """Return whether the path exists. Raises InputError for an impossible path, such as one that is too long."""
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _self_test(bundle: Bundle) -> None:
    from stripwatch.worker.model.loading.open_session import open_session

    open_session(bundle, "cpu", batch_frames_max=1)


def _copy_in(bundle: Bundle, target: Path) -> None:
    """Copy a bundle into the registry unless it is already there. Raises InputError."""
    if not target.exists():
        atomic_write(target, bundle.model)
    elif read_bundle(target).sha256 != bundle.sha256:
        raise InputError(f"{target} already exists and is a different bundle; export with another --version")


def _write_pointer(folder: Path, promotions: list[Promotion], changes: list[Change]) -> None:
    pointer = PromotionHistory(SCHEMA, promotions[-_PROMOTIONS_MAX:], changes[-_CHANGES_MAX:])
    atomic_write(folder / POINTER_FILE, msgspec.json.format(msgspec.json.encode(pointer)))


@contextmanager
def _locked(folder: Path, make: bool = False) -> Iterator[None]:
    """Allow one writer per name. The lock ends with its process, so a killed process leaves none behind."""
    new = not folder.exists()
    try:
        if make:
            make_folder(folder)
        file = (folder / LOCK_FILE).open("ab")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write to the registry {folder}: {getattr(error, 'strerror', error)}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another promotion or rollback of {folder} is in progress; try again later") from error
        except OSError as error:
            raise InputError(
                f"cannot lock {folder}: {error.strerror}; put the registry on a drive that supports file locks"
            ) from error
        with _removed_if_new(folder, new):
            yield


@contextmanager
def _removed_if_new(folder: Path, new: bool) -> Iterator[None]:
    """Remove the lock file from a new folder after an error, so that the folder is empty and can be removed.

    Only the holder of the lock may do so: the file could be that of another first promotion.
    """
    try:
        yield
    except BaseException:
        if new and [path.name for path in folder.iterdir()] == [LOCK_FILE]:
            (folder / LOCK_FILE).unlink()
        raise
