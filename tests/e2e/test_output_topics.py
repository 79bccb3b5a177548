"""An output topic that is deleted while a worker runs: /readyz names it, and no frame is lost."""

import json
from pathlib import Path

import pytest

from tests.badframes import GOOD_FRAMES
from tests.e2e.line import Line, fetch, running_worker
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def test_readiness_names_a_deleted_results_topic_until_it_is_back(line: Line, bundle: Path) -> None:
    results = line.topics["results"]

    def failing(port: int) -> list[str]:
        return [name for name, holds in json.loads(fetch(port, "/readyz")[1])["checks"].items() if not holds]

    with running_worker(line, bundle, "g") as worker:
        port = worker.await_ready()
        wait_until(lambda: failing(port) == [])
        with line.broker.admin() as admin:
            admin.delete_topics([results])
        wait_until(lambda: f"topic_writable:{results}" in failing(port))
        assert "topics_writable" in failing(port)
        with line.broker.admin() as admin:
            admin.create_topics({results: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        wait_until(lambda: failing(port) == [])
        line.send([GOOD_FRAMES["grey PNG"]] * 6)
        assert len(line.read("results", 6)) == 6
        assert worker.stop() == 0
