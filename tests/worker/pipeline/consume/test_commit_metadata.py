"""Metadata that the group stores with each committed offset."""

import pytest

from stripwatch.worker.pipeline.consume.commit_metadata import CommitMetadata, decode_commit_metadata


def test_round_trips_and_fits_into_kafkas_limit() -> None:
    remembered = CommitMetadata("0" * 32, 10_000)
    assert decode_commit_metadata(remembered.encode()) == remembered
    assert len(remembered.encode()) < 4096 // 8  # offset.metadata.max.bytes


def test_accepts_fields_of_a_later_version() -> None:
    text = '{"topic_id": "a", "first_partitions": 3, "more": []}'
    assert decode_commit_metadata(text) == CommitMetadata("a", 3)


@pytest.mark.parametrize("text", [None, "", "by hand", "{}", "[]", '{"topic_id": "a", "first_partitions": "3"}'])
def test_ignores_metadata_written_by_others(text: str | None) -> None:
    assert decode_commit_metadata(text) is None
