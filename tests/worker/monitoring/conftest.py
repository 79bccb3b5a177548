"""Certificates that openssl makes on the spot."""

from pathlib import Path

import pytest

from tests.brokers.apache import KafkaUnavailableError
from tests.brokers.plugin import absence_is_a_skip
from tests.brokers.secure import make_certificates


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What make_certificates makes; leave these files as they are."""
    folder = tmp_path_factory.mktemp("made")
    with absence_is_a_skip(KafkaUnavailableError):
        make_certificates(folder)
    return folder
