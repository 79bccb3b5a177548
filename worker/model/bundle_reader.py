"""Reading and verification of a bundle file."""

import os
from pathlib import Path
from stat import S_ISREG

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.manifest_codec import decode_manifest
from stripwatch.worker.model.onnx_file.onnx_checks import check_graph
from stripwatch.worker.model.onnx_file.onnx_metadata import read_metadata, verify_checksum


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check it.

    It must be complete and unchanged since its export, have a valid manifest, and contain no custom operators or
    external data. Raises BundleError, which names the path, if it is not.
    """
    try:
        model = _read_file(path)
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read the bundle {path}: {getattr(error, 'strerror', error)}") from error
    try:
        manifest = decode_manifest(read_metadata(model))
        sha256 = verify_checksum(model)
        check_graph(model)
        return Bundle(path, manifest, sha256, model)
    except BundleError as error:
        raise BundleError(f"{path} is not a valid bundle: {error}") from error
    except (ValueError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:  # raised by parsers
        raise BundleError(f"{path} is not a valid bundle: {type(error).__name__}: {error}") from error


def _read_file(path: Path) -> bytes:
    """Read a regular file; a pipe could block the caller forever. Raises OSError or BundleError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleError(f"the bundle {path} is not a regular file")
        return file.read()
