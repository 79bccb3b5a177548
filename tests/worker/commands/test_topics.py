import re

from stripwatch.worker.broker.admin import open_admin, plan_topics
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.contracts import topics as names
from tests.worker.conftest import CommandLine, last_json


def test_plans_every_topic_with_room_for_copies_of_a_frame() -> None:
    plans = {plan.name: plan for plan in plan_topics(6, 3, 24, 1_000_000)}
    assert set(plans) == set(names.ALL)
    frame_bytes_max = int(plans[names.FRAMES].settings["max.message.bytes"])
    assert frame_bytes_max == 1_000_000
    for copy in (names.REJECTS, names.REVIEW):
        assert int(plans[copy].settings["max.message.bytes"]) > frame_bytes_max
    assert plans[names.FRAMES].settings["retention.ms"] == "86400000"
    compacted = {name for name, plan in plans.items() if plan.settings["cleanup.policy"] == "compact"}
    assert compacted == set(names.COMPACTED)
    assert not any("retention.ms" in plans[name].settings for name in compacted)
    assert {plan.settings["min.insync.replicas"] for plan in plans.values()} == {"2"}


def test_creates_topics_once(empty_broker: str, command_line: CommandLine) -> None:
    summaries = []
    for _ in range(2):
        code, stdout, stderr = command_line("topics", "--bootstrap-servers", empty_broker)
        assert code == 0, stderr
        summaries.append(last_json(stdout)["topics"])
    assert summaries == [dict.fromkeys(names.ALL, "created"), dict.fromkeys(names.ALL, "exists")]


def test_reports_differences_without_changing_them(line_broker: str, command_line: CommandLine) -> None:
    for _ in range(2):
        code, stdout, _ = command_line(
            *("topics", "--bootstrap-servers", line_broker, "--partitions", "3", "--retention-hours", "48")
        )
        assert code == 0
        row = "inspection.frames differs partitions is 6, not 3 retention.ms is 86400000, not 172800000"
        assert row in " ".join(stdout.split())
        assert len(set(map(len, re.findall(r"^inspection\S+ +", stdout, re.MULTILINE)))) == 1, "one column"
        assert last_json(stdout)["differs"] == len(names.ALL) - len(names.COMPACTED)


def test_reports_a_topic_whose_settings_cannot_be_read(empty_broker: str, command_line: CommandLine) -> None:
    with open_admin(ClientConfig(empty_broker)) as admin:
        admin.create_topics({names.RESULTS: {"num_partitions": 6, "replication_factor": 1}})
    code, stdout, _ = command_line("topics", "--bootstrap-servers", empty_broker)
    assert code == 0
    row = "inspection.results differs cannot read its settings; grant this client DescribeConfigs"
    assert row in " ".join(stdout.split())
    assert last_json(stdout)["created"] == len(names.ALL) - 1


def test_dry_run_creates_nothing(empty_broker: str, command_line: CommandLine) -> None:
    for _ in range(2):
        code, stdout, _ = command_line("topics", "--bootstrap-servers", empty_broker, "--dry-run")
        assert code == 0
        assert last_json(stdout)["missing"] == len(names.ALL)
