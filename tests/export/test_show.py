import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from export.show import as_json, print_card
from worker.bundle import read_bundle

pytestmark = pytest.mark.training


def test_json_holds_everything_but_the_bytes_of_golden_frames(exported: Path) -> None:
    bundle = read_bundle(exported)
    said = json.loads(json.dumps(as_json(bundle)))
    assert said["sha256"] == bundle.sha256
    assert said["bytes"] == exported.stat().st_size
    assert said["labels"] == bundle.contract.labels
    assert [golden["encoded"] for golden in said["golden"]] == [
        len(golden.encoded) for golden in bundle.contract.golden
    ]


def test_the_card_names_what_a_person_asks_for(exported: Path) -> None:
    bundle = read_bundle(exported)
    text = io.StringIO()
    print_card(bundle, Console(file=text, width=200))
    for fact in ("textures 7", bundle.sha256, "64x64 rgb", "mobilenet 0.25", "plain (no defect)", "stripes"):
        assert fact in text.getvalue()
