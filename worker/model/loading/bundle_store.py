"""Model registry: a folder of bundles with one promoted version per name. Workers run REGISTRY/NAME instead of a file.

REGISTRY/NAME/VERSION.onnx    bundles, which never change
REGISTRY/NAME/promoted.json   promotions, oldest first, of which the last one is current, and the history of changes

promoted.json is replaced atomically and is not a link, so it works on network drives and readers see the old or the new
content. Readers take no lock and write nothing, so workers may have read-only access to the registry.
stripwatch.export.bundles.registry writes it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal

import msgspec

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_reader import read_bundle

POINTER_FILE = "promoted.json"
SCHEMA = "stripwatch.promoted/1"
SUFFIX = ".onnx"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class Promotion(msgspec.Struct, frozen=True):
    """A promoted version of a bundle. at: time of promotion, RFC 3339 in UTC."""

    version: str
    sha256: str
    at: str


class VersionOfBundle(msgspec.Struct, frozen=True):
    """Version of a bundle in the history of changes."""

    version: str
    sha256: str


class Change(msgspec.Struct, frozen=True):
    """One change of the promoted version.

    at: RFC 3339 in UTC. by: user and host, or the name given by --by. reason: text of --reason. from_: the version that
    was promoted before; None for the first promotion. Version 0.1.0 recorded neither by nor reason.
    """

    action: Literal["promote", "rollback"]
    at: str
    by: str | None
    reason: str | None
    from_: VersionOfBundle | None = msgspec.field(name="from")
    to: VersionOfBundle


class PromotionHistory(msgspec.Struct, frozen=True):
    """Content of promoted.json.

    promotions: promotions of a name, oldest first; never empty. A rollback removes the last one. changes: every
    promotion and rollback, oldest first. Workers of version 0.1.0 ignore this field.
    """

    schema: str
    promotions: list[Promotion]
    changes: list[Change] = []


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


def resolve_bundle(bundle: Path) -> ResolvedBundle:
    """Resolve the setting `bundle`: a file, or the promoted version of a name in a registry.

    Reads promoted.json but no model. Raises BundleError if there is no such file or promoted version.
    """
    try:
        found = bundle.stat()
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read the bundle {bundle}: {getattr(error, 'strerror', error)}") from error
    if S_ISDIR(found.st_mode):
        promotion = read_pointer(bundle).promotions[-1]
        return ResolvedBundle(bundle_file(bundle, promotion.version), promotion.sha256, None)
    if not S_ISREG(found.st_mode):
        raise BundleError(f"the bundle {bundle} is not a regular file")
    return ResolvedBundle(bundle, None, (found.st_size, found.st_mtime_ns, found.st_ino))


def load_resolved(choice: ResolvedBundle) -> Bundle:
    """Read and check a bundle, and verify that it is the promoted one. Raises BundleError."""
    bundle = read_bundle(choice.path)
    if choice.sha256 not in (None, bundle.sha256):
        raise BundleError(f"{choice.path} is not the promoted bundle: its sha256 differs")
    return bundle


def bundle_file(folder: Path, version: str) -> Path:
    """Return the file of a version in the folder REGISTRY/NAME."""
    return folder / f"{version}{SUFFIX}"


def read_pointer(folder: Path) -> PromotionHistory:
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
    if not pointer.promotions or not all(WORD.fullmatch(each.version) for each in pointer.promotions):
        raise BundleError(f"{path} is malformed: it has no valid version")
    return pointer
