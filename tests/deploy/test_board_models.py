"""Grafana's SDK reads the boards, so every field is known to Grafana and has a valid type."""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel

from deploy.boards.__main__ import BOARDS, board_text

# Fields of annotation queries that Grafana's Prometheus data source reads, but for which the SDK has no model.
PROMETHEUS_ANNOTATION = {"step", "titleFormat"}


@pytest.fixture(autouse=True, scope="module")
def _models_of_panels() -> None:
    register_default_plugins()


@pytest.mark.parametrize("name", BOARDS)
def test_grafana_knows_every_field_of_a_board(name: str) -> None:
    written = json.loads(board_text(BOARDS[name]))
    read_back = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))
    lost = set(differences(written, read_back))
    assert lost == {f"annotations.list.{field}" for field in PROMETHEUS_ANNOTATION}


@pytest.mark.parametrize("name", BOARDS)
def test_sdk_reads_every_panel_with_the_model_of_its_type(name: str) -> None:
    for panel in panels(json.loads(board_text(BOARDS[name]))):
        model = import_module(f"grafana_foundation_sdk.models.{panel.type_val.replace('-', '')}")
        assert type(panel.options) is model.Options, panel.title
        assert panel.targets, panel.title
        assert {type(target).__module__ for target in panel.targets} == {"grafana_foundation_sdk.models.prometheus"}


def panels(board: dict[str, Any]) -> Iterator[Panel]:
    for panel in Dashboard.from_json(board).panels or ():
        yield from panel.panels if isinstance(panel, RowPanel) else [panel]


def differences(written: Any, read_back: Any, path: str = "") -> Iterator[str]:
    """Return the paths (without list indices) of values that are missing or changed in what was read."""
    if isinstance(written, dict) and isinstance(read_back, dict):
        for key, value in written.items():
            at = f"{path}.{key}".removeprefix(".")
            yield from differences(value, read_back[key], at) if key in read_back else [at]
    elif isinstance(written, list) and isinstance(read_back, list) and len(written) == len(read_back):
        for one, other in zip(written, read_back, strict=True):
            yield from differences(one, other, path)
    elif written != read_back or isinstance(written, bool) != isinstance(read_back, bool):
        yield path


@pytest.mark.parametrize(
    ("field", "value"),
    [("fieldConfig", {"defaults": {"units": "s"}, "overrides": []}), ("options", {"tooltips": {}}), ("colour", "red")],
)
def test_detects_an_unknown_field(field: str, value: Any) -> None:
    board = json.loads(board_text(BOARDS["line.json"]))
    board["panels"][1][field] = value
    read_back = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert any(path.startswith(f"panels.{field}") for path in differences(board, read_back))
