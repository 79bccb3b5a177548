"""Quix Streams peer with the model in its pipeline: `sdf.apply`, or a count window that collects batches per camera.

Delivery is at-least-once, as Quix Streams does it: produce, flush, then commit, at its own interval. Its windows keep
their state in a store, serialized with pickle, because JSON cannot hold bytes. A window waits for its last frame
without a time limit.
"""

import pickle
from typing import Any

from quixstreams import Application, message_context
from quixstreams.dataframe.windows.aggregations import Collect
from quixstreams.models import Serializer
from quixstreams.state.rocksdb import RocksDBOptions

from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import Headers
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord
from tests.benchmarks.peers.clients import FETCH_BYTES_MAX
from tests.benchmarks.peers.inspector import Inspector, frame_of, record_of
from tests.benchmarks.peers.task import COMMIT_S, SESSION_MS, Task, read_task


class Body(Serializer):  # type: ignore[misc]
    def __call__(self, value: OutgoingRecord, *_: object, **__: object) -> bytes:
        return value.body


def to_frame(value: bytes, key: bytes, timestamp_ms: int, headers: Headers) -> Frame:
    at = message_context()
    return frame_of(record_of((at.topic, at.partition, at.offset), timestamp_ms, key, value, headers or ()))


def application(task: Task) -> Any:
    return Application(
        broker_address=task.bootstrap_servers,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_S,
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=f"{task.folder}/state-{task.number}",
        rocksdb_options=RocksDBOptions(dumps=pickle.dumps, loads=pickle.loads),
        consumer_extra_config={"session.timeout.ms": SESSION_MS, "max.partition.fetch.bytes": FETCH_BYTES_MAX},
        producer_extra_config={"linger.ms": 2},
        loglevel="WARNING",
    )


def main() -> None:
    task = read_task()
    app, inspector = application(task), Inspector(task)
    topics = {
        name: app.topic(name, key_serializer="bytes", value_serializer=Body())
        for name in (task.topics["results"], task.topics["defects"])
    }
    frames = app.topic(task.topics["frames"], key_deserializer="bytes", value_deserializer="bytes")
    sdf = app.dataframe(frames).apply(to_frame, metadata=True)
    if task.setting.batch > 1:
        window = sdf.tumbling_count_window(task.setting.batch).agg(value=Collect())
        sdf = window.final().apply(lambda closed: inspector.inspect(closed["value"]), expand=True)
    else:
        sdf = sdf.apply(lambda frame: inspector.inspect([frame]), expand=True)
    sdf = sdf.set_headers(lambda record, *_: record.headers)
    sdf.to_topic(lambda record, *_: topics[record.topic], key=lambda record: record.key)
    app.run()


if __name__ == "__main__":
    main()
