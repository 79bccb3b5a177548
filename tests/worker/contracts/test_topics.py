import pytest

from stripwatch.worker.contracts.topics import ALL, how_to_create


@pytest.mark.parametrize(
    ("topics", "advice"),
    [
        (ALL, "create it with 'stripwatch topics'"),
        (ALL[:1], "create it"),
        ([*ALL, "frames.line-1"], "correct the name"),
    ],
)
def test_advises_the_command_only_for_topics_that_it_creates(topics: list[str], advice: str) -> None:
    assert how_to_create(topics).startswith(advice)
