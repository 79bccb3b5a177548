"""Record of the group about its topic. Kafka stores it as the metadata text of each committed offset."""

import msgspec


class CommitMetadata(msgspec.Struct, frozen=True):
    """Identity and size of the topic that a committed offset belongs to.

    topic_id: id of the topic; empty if the broker does not report ids. first_partitions: number of partitions when the
    group began to read the topic, 0 for a topic created while the group was running. A partition with this number or a
    higher one was added later and is read from its beginning.
    """

    topic_id: str
    first_partitions: int

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


def decode_commit_metadata(text: str | None) -> CommitMetadata | None:
    """Return None if an administrator set the offset, or a worker of an older version committed it."""
    try:
        return msgspec.json.decode(text or "", type=CommitMetadata)
    except msgspec.DecodeError:
        return None
