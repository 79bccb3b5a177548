import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from stripwatch.export.bundles.show import as_json, print_card, read_card
from stripwatch.worker.model.bundle import read_bundle

pytestmark = pytest.mark.training


def test_json_holds_everything_but_the_bytes_of_golden_frames(exported: Path) -> None:
    bundle = read_bundle(exported)
    said = json.loads(json.dumps(as_json(read_card(bundle))))
    assert said["sha256"] == bundle.sha256
    assert len(said["graph_sha256"]) == 64
    assert said["bytes"] == exported.stat().st_size
    assert said["operations"] > 1e6
    assert said["labels"] == bundle.manifest.labels
    assert said["fidelity"]["agreement"] == 1
    assert said["provenance"]["run_id"] == bundle.manifest.provenance.run_id
    assert [golden["encoded"] for golden in said["golden"]] == [
        len(golden.encoded) for golden in bundle.manifest.golden
    ]


def test_the_card_names_what_a_person_asks_for(exported: Path) -> None:
    card = read_card(read_bundle(exported))
    text = io.StringIO()
    print_card(card, Console(file=text, width=250))
    for fact in (
        *("textures 7", card.bundle.sha256, card.graph_sha256, "64x64 rgb", "mobilenet 0.25", "multiply-adds a frame"),
        *("plain (no defect)", "stripes", "float32: same answer as Keras on 100.00%"),
    ):
        assert fact in text.getvalue()
