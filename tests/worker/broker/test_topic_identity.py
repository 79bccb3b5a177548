"""Identity of a topic that may be deleted and recreated, by the metadata of the brokers."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from kafka import TopicPartition

from stripwatch.worker.broker.topic_identity import AGREED_S, TopicIdentity
from stripwatch.worker.contracts.positions import Partition

ONE, TWO, NONE = UUID(int=1), UUID(int=2), UUID(int=0)


class Cluster:
    """Metadata with one topic. NONE is the answer of a broker that does not have the topic."""

    def __init__(self) -> None:
        self.id: UUID | None = ONE
        self.unauthorized_topics: set[str] = set()
        self.updates_wanted = 0
        self.now_s = 100.0
        self._listeners: list[Callable[[Any], None]] = []

    def add_listener(self, listener: Callable[[Any], None]) -> None:
        self._listeners.append(listener)

    def request_update(self) -> None:
        self.updates_wanted += 1

    def answer(self, topic_id: UUID | None, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.id = topic_id
        for listener in self._listeners:
            listener(self)

    def agree(self, topic_id: UUID | None) -> None:
        """Give this answer for so long that it counts."""
        self.answer(topic_id)
        self.answer(topic_id, AGREED_S)

    def topic_id(self, _: str) -> UUID | None:
        return self.id

    def partitions_for_topic(self, _: str) -> set[int] | None:
        return None if self.id == NONE else {0, 1}


class Fetches:
    def __init__(self) -> None:
        self.ends: dict[Any, int] = {}
        self.bound: list[UUID] = []

    def bind(self, _: str, topic_id: UUID) -> None:
        self.bound.append(topic_id)


Made = tuple[Cluster, Fetches, TopicIdentity]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    cluster, fetches = Cluster(), Fetches()
    consumer: Any = SimpleNamespace(_manager=SimpleNamespace(cluster=cluster))
    named: Any = fetches
    monkeypatch.setattr("stripwatch.worker.broker.topic_identity.time.monotonic", lambda: cluster.now_s)
    return cluster, fetches, TopicIdentity(consumer, "frames", named)


def test_recognises_a_deleted_topic_and_its_replacement(made: Made) -> None:
    cluster, fetches, identity = made
    assert identity.bind_first()
    assert (identity.is_current, identity.is_recreated, identity.id) == (True, False, ONE.hex)
    cluster.agree(NONE)
    assert (identity.is_current, identity.is_recreated, identity.bind_first()) == (False, False, False)
    seen = [identity.is_gone]
    cluster.answer(TWO)
    assert (identity.is_current, identity.is_recreated, identity.bind_first()) == (False, True, False)
    identity.bind_recreated()
    assert [*seen, identity.is_gone] == [True, False]
    assert (identity.is_current, identity.is_recreated, identity.id) == (True, False, TWO.hex)
    assert fetches.bound == [ONE, TWO]


def test_a_topic_hidden_by_acls_is_not_deleted(made: Made) -> None:
    cluster, _, identity = made
    identity.bind_first()
    seen = [identity.is_gone]
    cluster.agree(NONE)
    seen.append(identity.is_gone)
    cluster.unauthorized_topics.add("frames")
    assert [*seen, identity.is_gone] == [False, True, False]
    cluster.agree(NONE)
    cluster.unauthorized_topics.clear()
    assert not identity.is_gone  # earlier answers no longer count


@pytest.mark.parametrize("behind", [NONE, TWO], ids=["no topic", "another topic"])
def test_a_broker_with_outdated_metadata_does_not_make_a_topic_deleted(made: Made, behind: UUID) -> None:
    """TWO is an earlier topic with this name."""
    cluster, fetches, identity = made
    identity.bind_first()
    for _ in range(3):
        cluster.answer(behind)
        cluster.answer(behind, AGREED_S / 2)
        assert (identity.is_current, identity.is_gone, identity.is_recreated) == (False, False, False)
        cluster.answer(ONE, AGREED_S / 2)
        assert identity.is_current
    cluster.answer(behind)
    cluster.now_s += 60.0  # time without answers does not count
    assert not identity.is_gone
    assert fetches.bound == [ONE]


def test_requests_metadata_again_until_answers_agree(made: Made) -> None:
    cluster, _, identity = made
    identity.bind_first()
    cluster.answer(ONE)
    assert cluster.updates_wanted == 0
    cluster.answer(NONE)
    assert cluster.updates_wanted == 1
    cluster.answer(NONE, AGREED_S)
    assert cluster.updates_wanted == 1


def test_confirms_a_deleted_topic_only_once_the_metadata_agree(made: Made) -> None:
    cluster, _, identity = made
    identity.bind_first()
    assert (identity.confirm_gone("frames"), cluster.updates_wanted) == (False, 1)
    cluster.agree(NONE)
    assert identity.confirm_gone("frames")
    assert not identity.confirm_gone("another")


def test_does_not_go_back_to_an_earlier_topic(made: Made) -> None:
    cluster, fetches, identity = made
    identity.bind_first()
    cluster.agree(TWO)
    identity.bind_recreated()
    cluster.agree(ONE)
    assert (identity.is_current, identity.is_recreated) == (False, False)
    identity.bind_recreated()
    assert fetches.bound == [ONE, TWO]


def test_works_with_brokers_without_topic_ids(made: Made) -> None:
    cluster, fetches, identity = made
    cluster.id = None
    assert identity.bind_first()
    assert (identity.is_current, identity.is_recreated, identity.id, fetches.bound) == (True, False, "", [])


def test_knows_the_lag_from_the_first_fetch(made: Made) -> None:
    _, fetches, identity = made
    fetches.ends = {Partition("frames", 0): 10, Partition("frames", 1): 3}
    next_offsets = {Partition("frames", 0): 4, Partition("frames", 1): 4, Partition("frames", 2): 0}
    assert identity.lags(next_offsets) == {Partition("frames", 0): 6, Partition("frames", 1): 0}


def test_takes_the_ends_that_another_client_was_told_unless_the_topic_was_recreated_since(made: Made) -> None:
    cluster, _, identity = made
    identity.bind_first()
    first, next_offsets = identity.id, {Partition("frames", 0): 4}
    identity.note_ends({TopicPartition("frames", 0): 11}, first)
    assert identity.lags(next_offsets) == {Partition("frames", 0): 7}
    cluster.agree(TWO)
    identity.bind_recreated()
    identity.note_ends({TopicPartition("frames", 0): 99}, first)
    assert identity.lags(next_offsets) == {Partition("frames", 0): 7}
