"""What the group remembers of its topic with each committed offset."""

import pytest

from stripwatch.worker.pipeline.consume.commit_metadata import CommitMetadata, decode_commit_metadata


def test_it_is_read_as_it_was_written_and_fits_into_kafkas_limit() -> None:
    remembered = CommitMetadata("0" * 32, 10_000)
    assert decode_commit_metadata(remembered.encode()) == remembered
    assert len(remembered.encode()) < 4096 // 8  # offset.metadata.max.bytes


def test_a_later_version_may_add_to_it() -> None:
    text = '{"topic_id": "a", "first_partitions": 3, "more": []}'
    assert decode_commit_metadata(text) == CommitMetadata("a", 3)


@pytest.mark.parametrize("text", [None, "", "by hand", "{}", "[]", '{"topic_id": "a", "first_partitions": "3"}'])
def test_what_somebody_else_has_written_is_not_ours(text: str | None) -> None:
    assert decode_commit_metadata(text) is None
