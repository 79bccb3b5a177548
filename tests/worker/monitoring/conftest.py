"""Certificates generated with openssl."""

from pathlib import Path

import pytest

from tests.brokers.apache import KafkaUnavailableError
from tests.brokers.plugin import absence_is_a_skip
from tests.brokers.secure import make_certificates


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of certificates that make_certificates creates. Do not change its files."""
    folder = tmp_path_factory.mktemp("made")
    with absence_is_a_skip(KafkaUnavailableError):
        make_certificates(folder)
    return folder
