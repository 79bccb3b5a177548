import gc

import pytest

from stripwatch.worker.broker import admin
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.common.errors import BrokerUnavailableError, SettingsError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # kafka-python leaves a socket open here
def test_names_a_broker_that_cannot_be_reached() -> None:
    with (
        pytest.raises(BrokerUnavailableError, match=r"at 127\.0\.0\.1:1 within 0\.\d s \(connection refused"),
        admin.open_admin(ClientConfig("127.0.0.1:1", wait_s_max=0.3)),
    ):
        pass
    gc.collect()


@pytest.mark.parametrize("servers", ["", "host", "host:", ":9092", "a:1,", "a:1 b:2", "host:port", "http://a:1"])
def test_rejects_malformed_bootstrap_servers(servers: str) -> None:
    with (
        pytest.raises(SettingsError, match="bootstrap servers must be HOST:PORT"),
        admin.open_admin(ClientConfig(servers)),
    ):
        pass
