"""The control on a real broker: a record every 100 ms, and none while the broker is stopped."""

import os
import signal
import time

import pytest

from tests.brokers.apache import KafkaUnavailableError
from tests.brokers.apache import apache_broker as started
from tests.brokers.handle import BrokerHandle
from tests.brokers.plugin import absence_is_a_skip
from tests.faults.control import Control
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]
STOPPED_S = 3.0


def test_the_control_is_silent_while_the_broker_is() -> None:
    with absence_is_a_skip(KafkaUnavailableError), started() as broker:
        assert broker.pid
        with Control(BrokerHandle("apache", broker.bootstrap_servers, 6000)) as control:
            wait_until(lambda: len(control.seen) > 10)
            os.kill(broker.pid, signal.SIGSTOP)
            began_s = time.monotonic()
            time.sleep(STOPPED_S)
            os.kill(broker.pid, signal.SIGCONT)
            wait_until(lambda: control.seen[-1] > began_s + STOPPED_S)
        after_s = min(at for at in control.seen if at > began_s + 1)
        assert after_s >= began_s + STOPPED_S - 0.01
