"""Run these tests without the STRIPWATCH_ variables of the machine."""

import os

import pytest

from stripwatch.worker.config.settings import ENV_PREFIX


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(name)
