"""HTML page of a bundle: the metadata that `show` prints, validation charts, and the golden frames."""

from collections.abc import Iterator
from html import escape

import numpy as np

from stripwatch.export.bundles.show import (
    CHANGE_COLUMNS,
    CHANGE_NOTE,
    LABEL_COLUMNS,
    LABEL_NOTE,
    LIMIT_COLUMNS,
    LIMIT_NOTE,
    NOVELTY_COLUMNS,
    NOVELTY_NOTE,
    BundleCard,
    change_rows,
    facts,
    label_rows,
    limit_rows,
    novelty_rows,
)
from stripwatch.export.reporting.charts import draw_confusion, draw_reliability
from stripwatch.export.reporting.figures import browser_image
from stripwatch.export.reporting.html import figure, page, picture, table
from stripwatch.worker.model.bundle import GoldenFrame, Manifest

_SCORES_SHOWN = 2


def html_card(card: BundleCard) -> str:
    """Return the HTML page of a bundle."""
    manifest = card.bundle.manifest
    note = (
        "Keras was measured on the validation frames. These also selected the epoch and the thresholds, so the figures "
        "are optimistic."
    )
    if manifest.trained_for == "anomaly":
        note = "Keras was measured on the validation frames, which were not used for fitting and chose no threshold."
    return page(f"{manifest.name} {manifest.version}", note, _parts(card))


def _parts(card: BundleCard) -> Iterator[str]:
    manifest, validation = card.bundle.manifest, card.bundle.manifest.validation
    shown = facts(card)
    if warning := shown.pop("warning", None):
        yield f'<p class="warning">Warning: {escape(warning)}.</p>'
    yield table((), shown.items(), "facts")
    yield "<h2>Labels</h2>"
    yield table(LABEL_COLUMNS, label_rows(manifest))
    yield f'<p class="note">{LABEL_NOTE}</p>'
    if validation.confusion is not None:
        yield picture("Confusion matrix", draw_confusion(manifest.labels, validation.confusion))
    if validation.reliability:
        yield picture("Reliability diagram", draw_reliability(validation.reliability, "Keras model, temperature 1"))
    if manifest.novelty_figures is not None and manifest.novelty_figures.left_out:
        yield "<h2>Unknown defects</h2>"
        yield table(NOVELTY_COLUMNS, novelty_rows(manifest))
        for note in (NOVELTY_NOTE, *manifest.novelty_figures.notes):
            yield f'<p class="note">{escape(note)}</p>'
    if changes := change_rows(manifest):
        yield "<h2>What the model withstands</h2>"
        yield table(CHANGE_COLUMNS, changes)
        yield f'<p class="note">{CHANGE_NOTE}</p>'
    if limits := limit_rows(manifest):
        yield "<h2>Camera conditions of this model</h2>"
        yield table(LIMIT_COLUMNS, limits, "texts")
        yield f'<p class="note">{LIMIT_NOTE}</p>'
    yield "<h2>Golden frames</h2>"
    yield (
        "<p>The worker runs these frames when it loads the bundle. Each score must be within "
        f"{manifest.score_tolerance:.2g} of the Keras score.</p>"
    )
    for golden in manifest.golden:
        yield figure(browser_image(golden.encoded, manifest.decode), _caption(manifest, golden))


def _caption(manifest: Manifest, golden: GoldenFrame) -> list[str]:
    """Return the caption lines of a golden frame: name, true label, and best scores and novelty score by Keras."""
    best = np.argsort(golden.scores)[::-1][:_SCORES_SHOWN]
    scores = ", ".join(f"{manifest.labels[at]} {golden.scores[at]:.4f}" for at in best)
    novelty = [] if golden.novelty is None else [f"novelty score: {golden.novelty:.4g}"]
    return [golden.name, f"label: {golden.label}", f"Keras: {scores}", *novelty]
