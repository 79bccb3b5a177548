"""Commands of `stripwatch export` for bundles and registries: show, promote, rollback, list and diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stripwatch.export.runs.cli_options import BundleArgument
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.lazy_imports import require
from stripwatch.worker.common.folders import require_outside, require_place
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.file_counts import with_counts
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish

if TYPE_CHECKING:
    from stripwatch.export.bundles.registry import PromotionChange, RegistryEntry

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
    json_file: JsonFile = None,
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
      stripwatch export show model.onnx --json card.json
      stripwatch export show model.onnx --html card.html
    """
    require("onnx", *(["matplotlib", "scipy"] if html else []))
    from stripwatch.export.bundles import show as shown
    from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle

    require_place("--html", html)
    card = shown.read_card(load_resolved(resolve_bundle(file)))
    if html is not None:
        from stripwatch.export.bundles.html_card import html_card

        atomic_write(html, html_card(card).encode())
        if json_file is None:
            finish(Outcome({"html": str(html)}, {}, files={"page": html}))
            return
    finish(shown.outcome(card), json_file)


def promote(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Bundle file, either outside the registry or already in it.")
    ],
    registry: Registry,
    reason: Reason = None,
    by: By = None,
    json_file: JsonFile = None,
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

    change = bundles.promote(registry, file, by, reason)
    if change.warning:
        say(f"warning: {change.warning}")
    finish(_changed(change, command_text("check", "--bundle", change.folder)), json_file)


def rollback(
    folder: Annotated[Path, typer.Argument(metavar="REGISTRY/NAME", help="Name of a bundle in a registry.")],
    reason: Reason = None,
    by: By = None,
    json_file: JsonFile = None,
) -> None:
    """Promote the previously promoted version of a bundle again.

    The previous version must first pass its self-test on this machine.

    \b
    Example:
      stripwatch export rollback bundles/plant-a --reason "too many false alarms"
    """
    require("onnxruntime")
    from stripwatch.export.bundles import registry as bundles

    change = bundles.rollback(folder, by, reason)
    finish(_changed(change, command_text("export", "list", folder.parent, "--history")), json_file)


def list_bundles(
    registry: Registry,
    history: Annotated[
        bool, typer.Option("--history", help="List every promotion and rollback instead: when, who, why, from and to.")
    ] = False,
    json_file: JsonFile = None,
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
        summary = {"registry": str(registry), "history": listing.history_as_json(changes)}
        finish(Outcome(summary, {}, [listing.history_table(changes)], listing=True), json_file)
        return
    bundles = entries(registry)
    for entry in bundles:
        if entry.problem:
            say(f"{entry.path}: {entry.problem}")
    summary = {"registry": str(registry), "store": str(registry)} | listing.as_json(bundles)
    counted = with_counts(summary, listing.count_entries(registry, bundles), {})
    finish(Outcome(*counted, [listing.as_table(bundles)], _after_listing(registry, bundles), listing=True), json_file)


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
    json_file: JsonFile = None,
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
    require_place("--sheet", sheet)
    difference = differ.compare(a, b, frames, provider)
    drawn = sheet is not None and bool(difference.differing)
    if sheet is not None and difference.differing:
        atomic_write(sheet, differ.draw_differing(difference, frames))
    for name in difference.rejected[:_LINES_MAX]:
        say(f"{name} skipped: not readable with the decode specs of both bundles")
    summary = {"a": str(a), "b": str(b)} | differ.as_json(difference) | {"sheet": str(sheet) if drawn else None}
    files = {"sheet": sheet} if sheet is not None and drawn else {}
    tables = [differ.differing_table(difference, _LINES_MAX)] if difference.differing else []
    step = _after_diff(a, b, frames, bool(difference.differing) and sheet is None, difference.identical)
    finish(Outcome(summary, differ.facts(difference, a, b), tables, [step], files), json_file)


def _changed(change: PromotionChange, step: str) -> Outcome:
    before, unchanged = change.before, change.before is change.now
    summary = {
        "bundle": str(change.folder),
        "version": change.now.version,
        "sha256": change.now.sha256,
        "promoted_at": change.now.at,
        "version_before": before.version if before else None,
    }
    facts = {
        "bundle": path_text(change.folder),
        "version": f"{change.now.version} (before: {before.version if before else 'none'})"
        if not unchanged
        else f"{change.now.version} was already promoted, so nothing was changed or recorded",
        "promoted": change.now.at,
    }
    return Outcome(summary, facts, next_steps=[step])


def _after_listing(registry: Path, bundles: list[RegistryEntry]) -> list[str]:
    """Return the next step: show a promoted bundle, or promote the newest one."""
    usable = [entry for entry in bundles if not entry.problem]
    promoted = [entry for entry in usable if entry.promoted]
    if promoted:
        return [command_text("export", "show", registry / promoted[0].name)]
    return [command_text("export", "promote", usable[-1].path, registry)] if usable else []


def _after_diff(a: Path, b: Path, frames: Path, see_sheet: bool, identical: bool) -> str:
    """Return the next step: see the frames with different results, or promote B to the registry of A."""
    if identical:
        return command_text("export", "show", b)
    if see_sheet:
        return command_text("export", "diff", a, b, frames, "--sheet", Path("differ.png"))
    if b.is_dir():  # already in a registry
        return command_text("export", "list", b.parent)
    return command_text("export", "promote", b, a.parent if a.is_dir() else Path("bundles"))
