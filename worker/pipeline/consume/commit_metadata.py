"""What the group remembers of its topic: Kafka keeps it as a text with each committed offset."""

import msgspec


class CommitMetadata(msgspec.Struct, frozen=True):
    """topic_id: of the topic that the offset belongs to; empty where the broker names none.

    first_partitions: how many partitions the topic had when the group began to read it, 0 for a topic that was created
    while the group was running. A partition from this number on was added later: it is read from its beginning.
    """

    topic_id: str
    first_partitions: int

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


def decode_commit_metadata(text: str | None) -> CommitMetadata | None:
    """None: an administrator has set the offset, or a worker of an older version has committed it."""
    try:
        return msgspec.json.decode(text or "", type=CommitMetadata)
    except msgspec.DecodeError:
        return None
