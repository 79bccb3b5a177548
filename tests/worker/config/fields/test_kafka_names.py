"""Addresses of brokers and names of topics, by Kafka's rules."""

import pytest

from stripwatch.worker.config.fields.kafka_names import check_topic, split_servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("kafka:9092", ["kafka:9092"]),
        ("a:1, b-2.example.com:65535", ["a:1", "b-2.example.com:65535"]),
        ("[::1]:9092,127.0.0.1:9092", ["[::1]:9092", "127.0.0.1:9092"]),
    ],
)
def test_splits_addresses(text: str, servers: list[str]) -> None:
    assert split_servers(text) == servers


@pytest.mark.parametrize(
    "text", ["", "kafka", "kafka:", ":9092", "kafka:0", "kafka:65536", "a:1,", "a:1;b:2", "a b:1", "::1:9092", "k:1/x"]
)
def test_rejects_text_that_is_not_a_list_of_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        split_servers(text)


@pytest.mark.parametrize("name", ["inspection.frames", "a", "A_b-9.c", "...", "x" * 249])
def test_accepts_legal_topics(name: str) -> None:
    assert check_topic(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ä", "a\n", "x" * 250, "a,b", "a:b"])
def test_rejects_illegal_topics(name: str) -> None:
    with pytest.raises(ValueError, match="must be a topic name"):
        check_topic(name)
