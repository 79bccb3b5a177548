"""`stripwatch topics`: creates the topics of a line, and reports differences of existing ones."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from stripwatch.worker.broker.admin import TopicPlan, create_topics, open_admin, plan_topics, topic_settings
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.common.terminal.console import print_summary
from stripwatch.worker.config.command_line.cli_options import (
    BootstrapServers,
    DryRun,
    SecurityConfig,
    SecuritySet,
    security_of,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.contracts.frame_limits import MESSAGE_BYTES_MAX


@settings_as_options
def topics(
    bootstrap_servers: BootstrapServers,
    partitions: Annotated[
        int,
        typer.Option(
            min=1,
            help="Partitions per topic except rejects, review, coils and compacted topics; the maximum number of "
            "workers.",
        ),
    ] = 6,
    replication: Annotated[
        int, typer.Option(min=1, max=9, help="Replication factor; use 3 on a production cluster.")
    ] = 1,
    retention_hours: Annotated[
        int,
        typer.Option(
            min=1,
            help="Retention of frames in hours; defects, review and coils are kept 30 times as long, compacted topics "
            "without a limit, others 7 times.",
        ),
    ] = 24,
    message_bytes_max: Annotated[
        int,
        typer.Option(
            "--message-bytes-max",
            min=100_000,
            max=100_000_000,
            help="Size of the largest frame in bytes, including headers.",
        ),
    ] = MESSAGE_BYTES_MAX,
    dry_run: DryRun = False,
    config: SecurityConfig = None,
    security: SecuritySet = None,
) -> None:
    """Create the topics of a line. Existing topics are left unchanged, and their differences are reported.

        stripwatch topics --bootstrap-servers localhost:9092 --partitions 6 --replication 3

    The last line on stdout is JSON: the outcome for each topic.
    """
    plans = plan_topics(partitions, replication, retention_hours, message_bytes_max)
    with open_admin(ClientConfig(bootstrap_servers, security_of(config, security))) as admin:
        differences = _compare(admin, plans)
        missing = [plan for plan in plans if plan.name not in differences]
        if not dry_run:
            create_topics(admin, missing)
    outcomes = {plan.name: "missing" if dry_run else "created" for plan in missing}
    outcomes |= {name: "differs" if found else "exists" for name, found in differences.items()}
    width = max(len(plan.name) for plan in plans)
    for plan in plans:
        typer.echo("  ".join([f"{plan.name:{width}}  {outcomes[plan.name]}", *differences.get(plan.name, [])]))
    counts = {
        outcome: list(outcomes.values()).count(outcome) for outcome in ("created", "exists", "differs", "missing")
    }
    print_summary({"topics": {plan.name: outcomes[plan.name] for plan in plans}, **counts})


def _compare(admin: Any, plans: list[TopicPlan]) -> dict[str, list[str]]:
    """Return the differences of each planned topic that exists."""
    described = {topic["name"]: topic for topic in admin.describe_topics([plan.name for plan in plans])}
    there = [plan for plan in plans if described[plan.name]["error_code"] == 0]
    settings = topic_settings(admin, [plan.name for plan in there])
    return {
        plan.name: [
            *_partition_differences(plan, described[plan.name]),
            *_setting_differences(plan, settings[plan.name]),
        ]
        for plan in there
    }


def _partition_differences(plan: TopicPlan, described: dict[str, Any]) -> list[str]:
    partitions = described["partitions"]
    replication = min(len(partition["replica_nodes"]) for partition in partitions)
    found = {"partitions": (len(partitions), plan.partitions), "replication": (replication, plan.replication)}
    return [f"{name} is {is_}, not {planned}" for name, (is_, planned) in found.items() if is_ != planned]


def _setting_differences(plan: TopicPlan, settings: Mapping[str, str]) -> list[str]:
    if not settings:  # kafka-python drops the reason why Kafka reports no settings
        return ["cannot read its settings; grant this client DescribeConfigs on the topic"]
    found = {name: settings.get(name, "unset") for name in plan.settings}
    return [
        f"{name} is {found[name]}, not {planned}" for name, planned in plan.settings.items() if found[name] != planned
    ]
