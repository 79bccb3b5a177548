import re
from base64 import b64decode
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from stripwatch.export.bundles.html_card import html_card
from stripwatch.export.bundles.show import read_card
from stripwatch.export.reporting.html import inline
from stripwatch.worker.contracts.model.model_record import (
    Bin,
    ClassFigures,
    DetectedShare,
    NoveltyFigures,
    Validation,
    WithstoodChange,
)
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.tiny import LABELS, SPEC, tiny_contract, watchful_contract, write_bundle

pytestmark = pytest.mark.training


def test_the_page_contains_facts_charts_and_golden_frames_and_loads_nothing(tmp_path: Path) -> None:
    figures = {label: ClassFigures(0.9, 0.8, 0.847, 10) for label in LABELS}
    confusion, bins = [[8, 1, 1], [0, 9, 1], [0, 0, 10]], [Bin(20, 0.7, 0.75), Bin(10, 0.95, 1.0)]
    validation = Validation(30, 0.9, figures, 0.85, confusion, bins)
    manifest = tiny_contract(name="<b>", validation=validation)
    page = html_card(read_card(read_bundle(write_bundle(tmp_path / "a.onnx", manifest))))
    assert "<h1>&lt;b&gt; 1</h1>" in page
    assert "<b>" not in page
    for fact in ("accuracy 90.00% on 30 validation frames, macro-F1 0.8500", "<td>0.847</td>", "grey (no defect)"):
        assert fact in page
    for golden in manifest.golden:
        assert inline(golden.encoded) in page
        assert f"label: {golden.label}" in page
    sources = re.findall(r'(?:src|href)="([^"]{22})', page)
    assert sources == ["data:image/png;base64,"] * (2 + len(manifest.golden))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_converts_golden_frames_that_browsers_cannot_display_to_8_bit_png(tmp_path: Path, suffix: str) -> None:
    pixels = np.linspace(0, 255, 32 * 48).reshape(32, 48).astype(np.uint8)
    deep = suffix in (".png", ".tif")
    stored = pixels.astype(np.uint16) * 16 if deep else np.dstack([pixels] * 3)
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    encoded = cv2.imencode(suffix, stored, options)[1].tobytes()
    manifest = tiny_contract(decode=replace(SPEC, bit_depth=12))
    golden = [replace(manifest.golden[0], encoded=encoded), *manifest.golden[1:]]
    path = write_bundle(tmp_path / "a.onnx", replace(manifest, golden=golden))
    page = html_card(read_card(read_bundle(path)))
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    shown = [cv2.imdecode(np.frombuffer(b64decode(source), np.uint8), cv2.IMREAD_UNCHANGED) for source in sources]
    assert any(image is not None and np.array_equal(image, np.dstack([pixels] * 3)) for image in shown)


def test_a_bundle_without_evaluation_has_no_charts(tmp_path: Path) -> None:
    page = html_card(read_card(read_bundle(write_bundle(tmp_path / "a.onnx"))))
    assert "Confusion" not in page
    assert "Reliability" not in page
    assert "Golden frames" in page
    assert "Unknown defects" not in page


def test_the_page_states_the_novelty_threshold_and_the_scores_of_golden_frames(tmp_path: Path) -> None:
    manifest = watchful_contract()
    page = html_card(read_card(read_bundle(write_bundle(tmp_path / "a.onnx", manifest))))
    assert "range of the samples; novel above 0.3, chosen for 1.00% false alarms on 100 training frames" in page
    for golden in manifest.golden:
        assert f"novelty score: {golden.novelty:.4g}" in page
    assert "novelty score:" not in html_card(read_card(read_bundle(write_bundle(tmp_path / "b.onnx"))))


def test_the_page_shows_what_the_novelty_score_misses(tmp_path: Path) -> None:
    share = DetectedShare(40, 10, 0.14, 0.4)
    figures = NoveltyFigures(DetectedShare(200, 2, 0.003, 0.036), {"dark": share}, 0.25, ["the <backbone> has seen it"])
    path = write_bundle(tmp_path / "a.onnx", tiny_contract(novelty_figures=figures))
    page = html_card(read_card(read_bundle(path)))
    row = "<td>dark</td><td>40</td><td>0.250</td><td>0.140</td><td>0.400</td>"
    for shown in ("<h2>Unknown defects</h2>", row, "the &lt;backbone&gt; has seen it"):
        assert shown in page


def test_the_page_shows_what_the_model_withstands(tmp_path: Path) -> None:
    withstands = {"noise": WithstoodChange("grey levels", 2.0, 4.0)}
    page = html_card(read_card(read_bundle(write_bundle(tmp_path / "a.onnx", tiny_contract(withstands=withstands)))))
    assert "<h2>What the model withstands</h2>" in page
    assert "<td>noise</td><td>2</td><td>4</td><td>grey levels</td>" in page
    assert "withstands" not in html_card(read_card(read_bundle(write_bundle(tmp_path / "b.onnx"))))
