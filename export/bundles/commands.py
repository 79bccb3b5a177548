"""Commands on finished bundles and on a store of them: what they take, and the summaries they end with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from stripwatch.export.runs.cli_options import BundleArgument
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.lazy_imports import require
from stripwatch.worker.common.console import print_summary, say

if TYPE_CHECKING:
    from stripwatch.worker.model.bundle_store import PromotionChange

_SAID_MAX = 20
Store = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of bundles.")]


def show(
    file: BundleArgument,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page instead, with validation charts and golden frames in it.")
    ] = None,
) -> None:
    """Print what a bundle says of itself, after its checksum was verified.

    \b
    Example:
      stripwatch export show model.onnx
      stripwatch export show model.onnx --json
      stripwatch export show model.onnx --html card.html
    """
    require("onnx", "onnxruntime", *(["matplotlib", "scipy"] if html else []))
    from stripwatch.export.bundles import show as shown
    from stripwatch.worker.model.bundle_store import load_resolved, resolve_bundle

    card = shown.read_card(load_resolved(resolve_bundle(file)))
    if html is not None:
        from stripwatch.export.bundles.html_card import html_card

        atomic_write(html, html_card(card).encode())
    if as_json:
        print_summary(shown.as_json(card))
    elif html is None:
        shown.print_card(card, Console(markup=False))


def promote(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle, outside the store or in it.")], store: Store
) -> None:
    """Put a bundle into a store (made if it is not there), as STORE/NAME/VERSION.onnx, and point STORE/NAME at it.

    The bundle proves itself on this machine first. One that does not is not promoted, and what was promoted still is.

    \b
    Example:
      stripwatch export promote model.onnx bundles
      stripwatch export promote bundles/plant-a/2.onnx bundles     # an older one again
      stripwatch run --bundle bundles/plant-a
    """
    require("onnxruntime")
    from stripwatch.worker.model import bundle_store as stored

    _print(stored.promote(store, file))


def rollback(
    folder: Annotated[Path, typer.Argument(metavar="STORE/NAME", help="A name in a store.")],
) -> None:
    """Point a name at what was promoted before, after that has passed its self-test again.

    \b
    Example:
      stripwatch export rollback bundles/plant-a
    """
    require("onnxruntime")
    from stripwatch.worker.model import bundle_store as stored

    _print(stored.rollback(folder))


def list_bundles(store: Store) -> None:
    """List the bundles of a store, which are promoted, and what is wrong with any that cannot be used.

    \b
    Example:
      stripwatch export list bundles
    """
    require("onnxruntime")
    from stripwatch.export.bundles import listing
    from stripwatch.worker.model.bundle_store import entries

    found = entries(store)
    listing.print_table(found, Console(markup=False))
    for entry in found:
        if entry.problem:
            say(f"{entry.path}: {entry.problem}")
    print_summary({"store": str(store)} | listing.as_json(found))


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A bundle, or STORE/NAME.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    frames: Annotated[Path, typer.Argument(metavar="FRAMES", help="Folder of image files.")],
    sheet: Annotated[
        Path | None, typer.Option(help="PNG to write: the frames that get another answer, with both answers.")
    ] = None,
    provider: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Compare two bundles on a folder of frames: how often the worker would give the same answer.

    Two answers agree when label and verdict are the same. Each bundle uses its own decode and its own thresholds.

    \b
    Example:
      stripwatch export diff bundles/plant-a candidate.onnx photos --sheet differ.png
    """
    require("onnxruntime", *(["matplotlib"] if sheet else []))
    from stripwatch.export.bundles import diff as differ

    found = differ.compare(a, b, frames, provider)
    drawn = sheet is not None and bool(found.differing)
    if sheet is not None and found.differing:
        atomic_write(sheet, differ.draw_differing(found, frames))
    for name in found.rejected[:_SAID_MAX]:
        say(f"{name} cannot be read or decoded by both bundles, and is left out")
    for pair in found.differing[:_SAID_MAX]:
        say(f"{pair.name}: A {differ.describe(pair.a)}, B {differ.describe(pair.b)}")
    print_summary({"a": str(a), "b": str(b)} | differ.as_json(found) | {"sheet": str(sheet) if drawn else None})


def _print(change: PromotionChange) -> None:
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
