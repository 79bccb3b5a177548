"""Which topic of a name is read, as metadata come in."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.contracts.positions import Partition

ONE, TWO, NONE = UUID(int=1), UUID(int=2), UUID(int=0)


class Cluster:
    """Metadata with one topic; NONE is how a broker answers for a topic that it does not have."""

    def __init__(self) -> None:
        self.id: UUID | None = ONE
        self.unauthorized_topics: set[str] = set()

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


def made() -> tuple[Cluster, Fetches, TopicIdentity]:
    cluster, fetches = Cluster(), Fetches()
    consumer: Any = SimpleNamespace(_cluster=cluster)
    named: Any = fetches
    return cluster, fetches, TopicIdentity(consumer, "frames", named)


def test_a_topic_that_goes_and_one_that_comes_in_its_place() -> None:
    cluster, fetches, identity = made()
    assert identity.bind_first()
    assert (identity.is_current, identity.is_recreated, identity.id) == (True, False, ONE.hex)
    cluster.id = NONE
    assert (identity.is_current, identity.is_recreated, identity.bind_first()) == (False, False, False)
    cluster.id = TWO
    assert (identity.is_current, identity.is_recreated, identity.bind_first()) == (False, True, False)
    identity.bind_recreated()
    assert (identity.is_current, identity.is_recreated, identity.id) == (True, False, TWO.hex)
    assert fetches.bound == [ONE, TWO]


def test_a_topic_that_access_rules_hide_is_not_gone() -> None:
    cluster, _, identity = made()
    identity.bind_first()
    seen = [identity.is_gone]
    cluster.id = NONE
    seen.append(identity.is_gone)
    cluster.unauthorized_topics.add("frames")
    assert [*seen, identity.is_gone] == [False, True, False]


def test_a_broker_that_lags_behind_does_not_lead_back() -> None:
    cluster, fetches, identity = made()
    identity.bind_first()
    cluster.id = TWO
    identity.bind_recreated()
    cluster.id = ONE
    assert (identity.is_current, identity.is_recreated) == (False, False)
    identity.bind_recreated()
    assert fetches.bound == [ONE, TWO]


def test_where_brokers_name_no_ids_nothing_differs() -> None:
    cluster, fetches, identity = made()
    cluster.id = None
    assert identity.bind_first()
    assert (identity.is_current, identity.is_recreated, identity.id, fetches.bound) == (True, False, "", [])


def test_lag_is_known_from_the_first_fetch_on() -> None:
    _, fetches, identity = made()
    fetches.ends = {Partition("frames", 0): 10, Partition("frames", 1): 3}
    next_offsets = {Partition("frames", 0): 4, Partition("frames", 1): 4, Partition("frames", 2): 0}
    assert identity.lags(next_offsets) == {Partition("frames", 0): 6, Partition("frames", 1): 0}
