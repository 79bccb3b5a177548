"""Commands on a store of bundles: what they take, and the summary they end with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from export.quiet import require
from worker.console import print_summary

if TYPE_CHECKING:
    from worker.store import Change

Store = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of bundles; made if it is not there.")]


def promote(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle, outside the store or in it.")], store: Store
) -> None:
    """Put a bundle into a store, as STORE/NAME/VERSION.onnx, and point at it: STORE/NAME runs it from then on.

    The bundle proves itself on this machine first. One that does not is not promoted, and what was promoted still is.

    \b
    Example:
      stripwatch-export promote model.onnx bundles
      stripwatch-export promote bundles/plant-a/2.onnx bundles     # an older one again
      stripwatch run --bundle bundles/plant-a
    """
    require("onnxruntime")
    from worker import store as stored

    _print(stored.promote(store, file))


def rollback(
    folder: Annotated[Path, typer.Argument(metavar="STORE/NAME", help="A name in a store.")],
) -> None:
    """Point a name at what was promoted before, once that has proved itself again.

    \b
    Example:
      stripwatch-export rollback bundles/plant-a
    """
    require("onnxruntime")
    from worker import store as stored

    _print(stored.rollback(folder))


def _print(change: Change) -> None:
    before = change.before
    print_summary(
        {
            "bundle": str(change.folder),
            "version": change.now.version,
            "sha256": change.now.sha256,
            "promoted_at": change.now.at,
            "version_before": before.version if before else None,
        }
    )
