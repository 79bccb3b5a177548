"""Processes and threads, by what the settings leave open."""

import pytest

from worker.layout import Layout, choose_layout
from worker.settings import load_settings


@pytest.mark.parametrize(
    ("given", "on_cpu", "layout"),
    [
        ({}, True, Layout(1, 0, 0)),
        ({"processes": "auto"}, True, Layout(8, 1, 1)),
        ({"processes": "auto"}, False, Layout(1, 0, 0)),
        ({"processes": 2}, True, Layout(2, 4, 4)),
        ({"processes": 16}, True, Layout(16, 1, 1)),
        ({"processes": 3}, False, Layout(3, 2, 2)),
        ({"processes": 2, "inference_threads": 1, "decode_threads": 3}, True, Layout(2, 1, 3)),
    ],
)
def test_what_is_left_open_is_shared_out(given: dict[str, object], on_cpu: bool, layout: Layout) -> None:
    assert choose_layout(load_settings(None, given), cores=8, on_cpu=on_cpu) == layout
