"""Warning about a version of kafka-python with which the workarounds were not tested."""

import re
from pathlib import Path

import kafka
import pytest
from structlog.testing import capture_logs

from stripwatch.worker.broker.connection import ClientConfig, connect
from stripwatch.worker.broker.workarounds import tested_version
from stripwatch.worker.broker.workarounds.tested_version import TESTED_VERSION
from stripwatch.worker.common.errors import BrokerUnavailableError

REQUIREMENTS = Path(__file__).parents[4] / "requirements"


@pytest.fixture(autouse=True)
def _not_warned() -> None:
    tested_version._warn.cache_clear()


def warnings_of_two_clients() -> list[tuple[str, str]]:
    """Return the installed and the tested version of each warning."""
    with capture_logs() as lines:
        for _ in range(2):
            with pytest.raises(BrokerUnavailableError):
                connect(kafka.KafkaProducer, ClientConfig("127.0.0.1:1", wait_s_max=0.05))
    return [(line["installed"], line["tested"]) for line in lines if "kafka-python" in line["event"]]


def test_warns_once_about_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "__version__", "3.0.99")
    assert warnings_of_two_clients() == [("3.0.99", TESTED_VERSION)]


def test_does_not_warn_about_the_tested_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "__version__", TESTED_VERSION)
    assert warnings_of_two_clients() == []


def test_the_tested_version_is_locked_and_installed() -> None:
    locks = [lock.read_text() for lock in REQUIREMENTS.glob("*.txt")]
    locked = {version for lock in locks for version in re.findall(r"^kafka-python==(\S+)", lock, re.MULTILINE)}
    assert locked == {TESTED_VERSION} == {kafka.__version__}
