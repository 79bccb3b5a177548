import re
from pathlib import Path

import pytest

from stripwatch.export.bundles.html_card import html_card
from stripwatch.export.bundles.show import read_card
from stripwatch.export.reporting.html import inline
from stripwatch.worker.model.bundle import Bin, ClassFigures, Validation, read_bundle
from tests.tiny import LABELS, tiny_contract, write_bundle

pytestmark = pytest.mark.training


def test_the_page_holds_facts_charts_and_golden_frames_and_asks_for_nothing_else(tmp_path: Path) -> None:
    figures = {label: ClassFigures(0.9, 0.8, 0.847, 10) for label in LABELS}
    confusion, bins = [[8, 1, 1], [0, 9, 1], [0, 0, 10]], [Bin(20, 0.7, 0.75), Bin(10, 0.95, 1.0)]
    validation = Validation(30, 0.9, figures, 0.85, confusion, bins)
    manifest = tiny_contract(name="<b>", validation=validation)
    page = html_card(read_card(read_bundle(write_bundle(tmp_path / "a.onnx", manifest))))
    assert "<h1>&lt;b&gt; 1</h1>" in page
    assert "<b>" not in page
    for fact in ("accuracy 90.00% of 30 validation frames, macro-F1 0.8500", "<td>0.847</td>", "grey (no defect)"):
        assert fact in page
    for golden in manifest.golden:
        assert inline(golden.encoded) in page
        assert f"label: {golden.label}" in page
    sources = re.findall(r'(?:src|href)="([^"]{22})', page)
    assert sources == ["data:image/png;base64,"] * (2 + len(manifest.golden))


def test_what_was_not_evaluated_has_no_charts(tmp_path: Path) -> None:
    page = html_card(read_card(read_bundle(write_bundle(tmp_path / "a.onnx"))))
    assert "Confusion" not in page
    assert "Reliability" not in page
    assert "Golden frames" in page
