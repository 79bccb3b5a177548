"""The store: a folder of bundles, of which one a name is promoted. A worker is pointed at STORE/NAME instead of a file.

STORE/NAME/VERSION.onnx    bundles, which never change
STORE/NAME/promoted.json   the pointer: what was promoted, one after the other; the last is in force

The pointer is replaced as a whole, never a link: it works on network drives, and a reader sees the old or the new one.
Readers take no lock and write nothing, so a worker may see the store read-only.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import msgspec

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import BundleError, InputError
from stripwatch.worker.contracts.timestamps import utc_now
from stripwatch.worker.model.bundle import Bundle, Manifest, read_bundle
from stripwatch.worker.model.session import open_session

POINTER_FILE = "promoted.json"
SCHEMA = "stripwatch.promoted/1"
SUFFIX = ".onnx"
_LOCK_FILE = ".lock"
_KEPT_MAX = 100
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class Promotion(msgspec.Struct, frozen=True):
    """at: RFC 3339, UTC."""

    version: str
    sha256: str
    at: str


class PromotionHistory(msgspec.Struct, frozen=True):
    """Oldest first; never empty."""

    schema: str
    promotions: list[Promotion]


@dataclass(frozen=True, slots=True)
class ResolvedBundle:
    """The file to run. Two that are equal are the same bundle, so asking again tells cheaply whether it changed.

    sha256: what a store's pointer promises, else None. stat: size, time and inode of a file that stands alone.
    """

    path: Path
    sha256: str | None
    stat: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class PromotionChange:
    """What promote or rollback has done. before: None for the first promotion of a name."""

    folder: Path
    before: Promotion | None
    now: Promotion


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One version of a name. contract, sha256: None where the file is not usable, which problem then says."""

    name: str
    version: str
    path: Path
    promoted: bool
    manifest: Manifest | None
    sha256: str | None
    size_bytes: int
    problem: str | None


def resolve_bundle(bundle: Path) -> ResolvedBundle:
    """What to run for the setting `bundle`: that file, or the promoted one where it is a name in a store.

    Reads the pointer at most, never a model. Raises BundleError where there is nothing to run.
    """
    try:
        found = bundle.stat()
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read the bundle {bundle}: {getattr(error, 'strerror', error)}") from error
    if S_ISDIR(found.st_mode):
        promotion = _read_pointer(bundle).promotions[-1]
        return ResolvedBundle(_file(bundle, promotion.version), promotion.sha256, None)
    if not S_ISREG(found.st_mode):
        raise BundleError(f"the bundle {bundle} is not a regular file")
    return ResolvedBundle(bundle, None, (found.st_size, found.st_mtime_ns, found.st_ino))


def load_resolved(choice: ResolvedBundle) -> Bundle:
    """Read and check the bundle, also that it is the one that was promoted. Raises BundleError."""
    bundle = read_bundle(choice.path)
    if choice.sha256 not in (None, bundle.sha256):
        raise BundleError(f"{choice.path} is not the bundle that was promoted: its sha256 differs")
    return bundle


def promote(store: Path, file: Path) -> PromotionChange:
    """Prove a bundle on this machine, put it into the store, and point at it; one that is in the store is pointed at.

    Raises BundleError when it is no bundle that computes what was trained, InputError when the store cannot be written,
    another promote is at work, or the version is taken by another bundle. Then what was promoted still is.
    """
    bundle = read_bundle(file)
    name, version = bundle.manifest.name, bundle.manifest.version
    for what, word in (("name", name), ("version", version)):
        if not _WORD.fullmatch(word):
            raise BundleError(f"{file}: its {what} {word!r} is no file name; a store takes letters, digits and . _ + -")
    if _is_there(store / POINTER_FILE):
        raise InputError(f"{store} is a name in a store; give the store itself, {store.parent}")
    _self_test(bundle)
    folder = store / name
    with _locked(folder, make=True):
        _copy_in(bundle, _file(folder, version))
        promotions = _read_pointer(folder).promotions if (folder / POINTER_FILE).exists() else []
        before = promotions[-1] if promotions else None
        if before and (before.version, before.sha256) == (version, bundle.sha256):
            return PromotionChange(folder, before, before)
        now = Promotion(version, bundle.sha256, utc_now())
        _write_pointer(folder, [*promotions, now])
    return PromotionChange(folder, before, now)


def rollback(folder: Path) -> PromotionChange:
    """Point STORE/NAME at what was promoted before, after its self-test. Raises as promote does."""
    _read_pointer(folder)  # a sentence for a folder that is none, before anything is written
    with _locked(folder):
        promotions = _read_pointer(folder).promotions
        if len(promotions) < 2:
            raise InputError(f"{folder}: nothing was promoted before version {promotions[-1].version}")
        *_, now, before = promotions
        _self_test(load_resolved(ResolvedBundle(_file(folder, now.version), now.sha256, None)))
        _write_pointer(folder, promotions[:-1])
    return PromotionChange(folder, before, now)


def entries(store: Path) -> list[RegistryEntry]:
    """Every bundle of a store, by name and version; what cannot be used is an entry too. Raises InputError."""
    if not _is_there(store) or not store.is_dir():
        raise InputError(f"there is no store {store}")
    return [entry for folder in sorted(store.iterdir()) if folder.is_dir() for entry in _entries_of(folder)]


def _entries_of(folder: Path) -> Iterator[RegistryEntry]:
    promotion = None
    if (folder / POINTER_FILE).exists():
        try:
            promotion = _read_pointer(folder).promotions[-1]
        except BundleError as error:
            yield RegistryEntry(folder.name, "", folder / POINTER_FILE, False, None, None, 0, str(error))
    versions = {path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}")}
    if promotion:
        versions.add(promotion.version)
    for version in sorted(versions, key=_by_number):
        in_force = promotion if promotion and promotion.version == version else None
        yield _entry(_file(folder, version), version, in_force)


def _entry(path: Path, version: str, promotion: Promotion | None) -> RegistryEntry:
    names = (path.parent.name, version, path, promotion is not None)
    try:
        bundle = load_resolved(ResolvedBundle(path, promotion.sha256 if promotion else None, None))
    except BundleError as error:
        return RegistryEntry(*names, None, None, path.stat().st_size if path.exists() else 0, str(error))
    stated = (bundle.manifest.name, bundle.manifest.version)
    problem = None if stated == names[:2] else f"{path} says that it is {' '.join(stated)}"
    return RegistryEntry(*names, bundle.manifest, bundle.sha256, len(bundle.model), problem)


def _by_number(version: str) -> list[tuple[int, str]]:
    """So that 10 comes after 9. A digit such as "²", which has no decimal value, is text."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", version)]


def _is_there(path: Path) -> bool:
    """Raises InputError for a name that cannot be looked up at all, such as one that is too long."""
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _file(folder: Path, version: str) -> Path:
    return folder / f"{version}{SUFFIX}"


def _self_test(bundle: Bundle) -> None:
    open_session(bundle, "cpu", batch_frames_max=1)


def _copy_in(bundle: Bundle, target: Path) -> None:
    """Copy a bundle into the store, unless it is there."""
    if not target.exists():
        atomic_write(target, bundle.model)
    elif read_bundle(target).sha256 != bundle.sha256:
        raise InputError(f"{target} is there already and is another bundle: export with another --version")


def _read_pointer(folder: Path) -> PromotionHistory:
    path = folder / POINTER_FILE
    try:
        pointer = msgspec.json.decode(path.read_bytes(), type=PromotionHistory)
    except FileNotFoundError as error:
        raise BundleError(f"{folder} is no name in a store, or has no promoted bundle") from error
    except msgspec.MsgspecError as error:
        raise BundleError(f"{path} is malformed: {error}") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
    if pointer.schema != SCHEMA:
        raise BundleError(f"{path} is {pointer.schema!r}; this version reads {SCHEMA!r}, so update one of the two")
    if not pointer.promotions or not all(_WORD.fullmatch(each.version) for each in pointer.promotions):
        raise BundleError(f"{path} is malformed: it names no version")
    return pointer


def _write_pointer(folder: Path, promotions: list[Promotion]) -> None:
    pointer = PromotionHistory(SCHEMA, promotions[-_KEPT_MAX:])
    atomic_write(folder / POINTER_FILE, msgspec.json.format(msgspec.json.encode(pointer)))


@contextmanager
def _locked(folder: Path, make: bool = False) -> Iterator[None]:
    """One writer a name. The lock goes with the process that holds it, so a killed one leaves none behind."""
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK_FILE).open("ab")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write in the store, {folder}: {getattr(error, 'strerror', error)}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another promote or rollback is at work on {folder}: try again after it") from error
        except OSError as error:
            raise InputError(f"cannot lock {folder}: {error.strerror}; a store needs a drive with locks") from error
        yield
