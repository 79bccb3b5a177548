"""The topics page names every topic with key, settings, writers, readers and access rules."""

from docs.generate.topics import ACLS, USERS, default_plans, topics_page
from stripwatch.worker.contracts.topics import ALL


def test_every_topic_has_content_settings_writers_and_readers() -> None:
    assert {plan.name for plan in default_plans()} == set(USERS) == set(ALL)
    for topic in ALL:
        assert topics_page().count(f"\n| `{topic}` | ") == 3
    assert all(writer and reader for writer, reader in USERS.values())


def test_every_topic_has_an_access_rule() -> None:
    resources = " ".join(resource for _, resource, _ in ACLS)
    assert [topic for topic in ALL if topic not in resources] == []


def test_the_page_has_the_retention_that_the_command_sets_by_default() -> None:
    assert "| `inspection.frames` | 6 | 86400000 (24 hours) |" in topics_page()
