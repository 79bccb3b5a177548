"""The feed, which interprets the records that the live page reads."""

from types import SimpleNamespace

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.replay_mark import replay_mark_headers
from stripwatch.worker.dashboard.reading.feed import Feed
from stripwatch.worker.dashboard.state.history import History


def test_replay_mark_counts_neither_as_reject_nor_as_unreadable() -> None:
    history = History()
    feed = Feed(load_settings(None, {"bootstrap_servers": "localhost:9092"}), history, 10)
    place = {"topic": "inspection.rejects", "partition": 0, "offset": 4, "timestamp": 1_000}
    mark = SimpleNamespace(**place, key=b"top-1", value=b"", headers=replay_mark_headers("a-reject"))
    feed._add(feed._keep(mark), 0.0, live=True)
    assert history.state()["totals"] == {}
    reject = SimpleNamespace(**place, key=b"top-1", value=b"\xff" * 9_000, headers=[])
    kept = feed._keep(reject)
    assert kept.result is None, "the frame of a reject is not kept"
    feed._add(kept, 0.0, live=True)
    assert history.state()["totals"] == {"unreadable": 1}
