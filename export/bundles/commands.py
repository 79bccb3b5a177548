"""Commands of `stripwatch export` for bundles and registries: show, promote, rollback, list and diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from stripwatch.export.runs.cli_options import BundleArgument
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.lazy_imports import require
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.console import print_summary, say

if TYPE_CHECKING:
    from stripwatch.export.bundles.registry import PromotionChange

_LINES_MAX = 20  # of each kind, on stderr
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Your name, for the history. Default: the user and the host.")
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why the version changes, for the history. One line.")]
Registry = Annotated[
    Path, typer.Argument(metavar="REGISTRY", help="Registry: folder of bundles, REGISTRY/NAME/VERSION.onnx.")
]


def show(
    file: BundleArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write an HTML page with validation charts and golden frames instead of printing tables."),
    ] = None,
) -> None:
    """Verify the checksum of a bundle and print its metadata.

    Needs only the bundle file and the package onnx; --html also needs matplotlib and scipy.

    \b
    Example:
      stripwatch export show model.onnx
      stripwatch export show model.onnx --json
      stripwatch export show model.onnx --html card.html
    """
    require("onnx", *(["matplotlib", "scipy"] if html else []))
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
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Bundle file, either outside the registry or already in it.")
    ],
    registry: Registry,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Copy a bundle into a registry and make it the version that REGISTRY/NAME refers to.

    The bundle is stored as REGISTRY/NAME/VERSION.onnx; the registry is created if it does not exist. The bundle must
    first pass its self-test on this machine. If it fails, the promoted version stays unchanged. The change is recorded
    with its time, name and reason: 'stripwatch export list REGISTRY --history' shows it.

    \b
    Example:
      stripwatch export promote model.onnx bundles --reason "trained on the frames of week 48"
      stripwatch export promote bundles/plant-a/2.onnx bundles     # promote an older version again
      stripwatch run --bundle bundles/plant-a
    """
    require("onnxruntime")
    from stripwatch.export.bundles import registry as bundles

    _print(bundles.promote(registry, file, by, reason))


def rollback(
    folder: Annotated[Path, typer.Argument(metavar="REGISTRY/NAME", help="Name of a bundle in a registry.")],
    reason: Reason = None,
    by: By = None,
) -> None:
    """Promote the previously promoted version of a bundle again.

    The previous version must first pass its self-test on this machine.

    \b
    Example:
      stripwatch export rollback bundles/plant-a --reason "too many false alarms"
    """
    require("onnxruntime")
    from stripwatch.export.bundles import registry as bundles

    _print(bundles.rollback(folder, by, reason))


def list_bundles(
    registry: Registry,
    history: Annotated[
        bool, typer.Option("--history", help="List every promotion and rollback instead: when, who, why, from and to.")
    ] = False,
) -> None:
    """List the bundles in a registry with their promotion status and any problems.

    \b
    Example:
      stripwatch export list bundles
      stripwatch export list bundles --history
    """
    from stripwatch.export.bundles import listing
    from stripwatch.export.bundles.registry import all_changes, entries

    if history:
        changes = all_changes(registry)
        listing.print_history(changes, Console(markup=False))
        print_summary({"registry": str(registry), "history": listing.history_as_json(changes)})
        return
    bundles = entries(registry)
    listing.print_table(bundles, Console(markup=False))
    for entry in bundles:
        if entry.problem:
            say(f"{entry.path}: {entry.problem}")
    print_summary({"registry": str(registry), "store": str(registry)} | listing.as_json(bundles))


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="First bundle: a file, or REGISTRY/NAME.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Second bundle: a file, or REGISTRY/NAME.")],
    frames: Annotated[Path, typer.Argument(metavar="FRAMES", help="Folder of image files.")],
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="PNG file to write: a contact sheet of the frames with different results, with both results."
        ),
    ] = None,
    provider: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Device that runs both bundles. auto uses CUDA if available, else the CPU."),
    ] = "auto",
) -> None:
    """Compare the results of two bundles on a folder of frames.

    Two results agree if label and verdict are the same. Each bundle uses its own decode spec and thresholds.

    \b
    Example:
      stripwatch export diff bundles/plant-a candidate.onnx photos --sheet differ.png
    """
    require("onnxruntime", *(["matplotlib"] if sheet else []))
    from stripwatch.export.bundles import diff as differ

    require_outside("--sheet", sheet, [frames])
    difference = differ.compare(a, b, frames, provider)
    drawn = sheet is not None and bool(difference.differing)
    if sheet is not None and difference.differing:
        atomic_write(sheet, differ.draw_differing(difference, frames))
    for name in difference.rejected[:_LINES_MAX]:
        say(f"{name} skipped: not readable with the decode specs of both bundles")
    for pair in difference.differing[:_LINES_MAX]:
        say(f"{pair.name}: A {differ.describe(pair.a)}, B {differ.describe(pair.b)}")
    print_summary({"a": str(a), "b": str(b)} | differ.as_json(difference) | {"sheet": str(sheet) if drawn else None})


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
