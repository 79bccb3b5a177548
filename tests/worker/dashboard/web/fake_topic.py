"""A topic of acknowledgements that page servers write and follow."""

from collections.abc import Sequence

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.dashboard.state.alarm_board import read_acknowledgement
from stripwatch.worker.dashboard.state.history import History


class FakeTopic:
    """Keeps the newest record of each key. broken: Kafka does not accept records. histories: of the servers."""

    def __init__(self) -> None:
        self.records: dict[bytes, tuple[bytes, dict[str, bytes]]] = {}
        self.broken = False
        self.histories: list[History] = []

    def send(self, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        if self.broken:
            raise BrokerUnavailableError("topic 'inspection.acknowledgements' did not accept the record")
        self.records[key] = value, dict(headers)
        for history in self.histories:
            _add(history, value)

    def followed_by(self, history: History) -> None:
        """Pass all records, and those that are written later, to the history of a server."""
        for value, _ in self.records.values():
            _add(history, value)
        self.histories.append(history)


def _add(history: History, value: bytes) -> None:
    said = read_acknowledgement(value)
    assert said is not None
    history.alarms.add(said)
