import importlib.util
import socket
from typing import Any, cast

import pytest

from stripwatch.worker.bench import demo
from stripwatch.worker.bench.embedded_broker import free_port, is_free


def test_without_its_extra_the_demo_continues_without_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(demo, "say", said.append)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with demo._live_page(cast(Any, None)):
        pass
    assert len(said) == 1
    assert "pip install 'stripwatch[view]'" in said[0]


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    assert is_free(free_port())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not is_free(taken.getsockname()[1])
