import importlib.util
from typing import Any, cast

import pytest

from stripwatch.worker.bench import demo


def test_demo_continues_without_the_live_page_if_its_packages_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(demo, "say", said.append)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with demo._live_page(cast(Any, None)):
        pass
    assert len(said) == 1
    assert "pip install starlette tzdata uvicorn" in said[0]
