"""Model registry: a folder of bundles with one promoted version per name. Workers run REGISTRY/NAME instead of a file.

REGISTRY/NAME/VERSION.onnx    bundles, which never change
REGISTRY/NAME/promoted.json   history of promotions, oldest first; the last one is current

promoted.json is replaced atomically and is not a link, so it works on network drives and readers see the old or the new
content. Readers take no lock and write nothing, so workers may have read-only access to the registry.
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
    """A promoted version of a bundle. at: time of promotion, RFC 3339 in UTC."""

    version: str
    sha256: str
    at: str


class PromotionHistory(msgspec.Struct, frozen=True):
    """Content of promoted.json: the promotions of a name, oldest first; never empty."""

    schema: str
    promotions: list[Promotion]


@dataclass(frozen=True, slots=True)
class ResolvedBundle:
    """The bundle file to run. Equal values mean the same bundle, so comparing two of them detects a change cheaply.

    Attributes:
        path: The file.
        sha256: Digest of the promoted bundle in a registry; None for a plain file.
        stat: Size, modification time and inode of a plain file; None in a registry.
    """

    path: Path
    sha256: str | None
    stat: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class PromotionChange:
    """Result of a promotion or rollback. before: None for the first promotion of a name."""

    folder: Path
    before: Promotion | None
    now: Promotion


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


def resolve_bundle(bundle: Path) -> ResolvedBundle:
    """Resolve the setting `bundle`: a file, or the promoted version of a name in a registry.

    Reads promoted.json but no model. Raises BundleError if there is no such file or promoted version.
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
    """Read and check a bundle, and verify that it is the promoted one. Raises BundleError."""
    bundle = read_bundle(choice.path)
    if choice.sha256 not in (None, bundle.sha256):
        raise BundleError(f"{choice.path} is not the promoted bundle: its sha256 differs")
    return bundle


def promote(store: Path, file: Path) -> PromotionChange:
    """Run the self-test of a bundle, copy it into the registry unless it is there, and make it the current version.

    Raises BundleError if the bundle is invalid or fails its self-test. Raises InputError if the registry cannot be
    written, another promotion is in progress, or the version belongs to another bundle. After an error, the promoted
    version is unchanged.
    """
    bundle = read_bundle(file)
    name, version = bundle.manifest.name, bundle.manifest.version
    for what, word in (("name", name), ("version", version)):
        if not _WORD.fullmatch(word):
            raise BundleError(f"{file}: its {what} {word!r} may only contain letters, digits and . _ + - in a registry")
    if _is_there(store / POINTER_FILE):
        raise InputError(f"{store} is a name in a registry; give the registry itself, {store.parent}")
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
    """Make the previously promoted version current again, after its self-test. Raises the same errors as promote."""
    _read_pointer(folder)  # report a wrong folder before anything is written
    with _locked(folder):
        promotions = _read_pointer(folder).promotions
        if len(promotions) < 2:
            raise InputError(f"{folder}: no version was promoted before {promotions[-1].version}")
        *_, now, before = promotions
        _self_test(load_resolved(ResolvedBundle(_file(folder, now.version), now.sha256, None)))
        _write_pointer(folder, promotions[:-1])
    return PromotionChange(folder, before, now)


def entries(store: Path) -> list[RegistryEntry]:
    """List all bundles of a registry by name and version, including invalid ones. Raises InputError."""
    if not _is_there(store) or not store.is_dir():
        raise InputError(f"registry {store} does not exist")
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


def _file(folder: Path, version: str) -> Path:
    return folder / f"{version}{SUFFIX}"


def _self_test(bundle: Bundle) -> None:
    open_session(bundle, "cpu", batch_frames_max=1)


def _copy_in(bundle: Bundle, target: Path) -> None:
    """Copy a bundle into the registry unless it is already there. Raises InputError."""
    if not target.exists():
        atomic_write(target, bundle.model)
    elif read_bundle(target).sha256 != bundle.sha256:
        raise InputError(f"{target} already exists and is a different bundle; export with another --version")


def _read_pointer(folder: Path) -> PromotionHistory:
    path = folder / POINTER_FILE
    try:
        pointer = msgspec.json.decode(path.read_bytes(), type=PromotionHistory)
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} has no promoted bundle; name an ONNX file, or promote a bundle with 'stripwatch export promote'"
        ) from error
    except msgspec.MsgspecError as error:
        raise BundleError(f"{path} is malformed: {error}") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
    if pointer.schema != SCHEMA:
        raise BundleError(
            f"{path} has schema {pointer.schema!r}, but this version reads {SCHEMA!r}; update one of the two"
        )
    if not pointer.promotions or not all(_WORD.fullmatch(each.version) for each in pointer.promotions):
        raise BundleError(f"{path} is malformed: it has no valid version")
    return pointer


def _write_pointer(folder: Path, promotions: list[Promotion]) -> None:
    pointer = PromotionHistory(SCHEMA, promotions[-_KEPT_MAX:])
    atomic_write(folder / POINTER_FILE, msgspec.json.format(msgspec.json.encode(pointer)))


@contextmanager
def _locked(folder: Path, make: bool = False) -> Iterator[None]:
    """Allow one writer per name. The lock ends with its process, so a killed process leaves none behind."""
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK_FILE).open("ab")
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
        yield
