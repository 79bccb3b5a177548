"""The page of all topics: contents from the AsyncAPI document, settings from the plan of `stripwatch topics`."""

from inspect import signature

from docs.generate.markdown import code, page, table
from stripwatch.worker.broker.admin import TopicPlan, plan_topics
from stripwatch.worker.commands.schemas import asyncapi
from stripwatch.worker.commands.topics import topics as topics_command
from stripwatch.worker.contracts import topics as names

_HEAD = """# Topics

The topics of a line, with their default names. The settings `topics.*` change the names. `stripwatch topics` creates
the missing ones and reports how existing ones differ; it never changes a topic.
"""
_PLAN = """## Partitions, retention and size

The values with which `stripwatch topics` creates the topics. `--partitions`, `--replication`, `--retention-hours` and
`--message-bytes-max` change them. Topics of events have `cleanup.policy=delete`, because compaction would delete events
with the same key. Compacted topics keep the newest record of each key without a limit of time; their segments are
closed every hour, because Kafka compacts only closed ones. `min.insync.replicas` is the replication factor minus one,
but at least 1.

Frames must stay on their topic for longer than the longest time without a worker: Kafka deletes older frames unread.
If senders choose the partition from a hash of the key, adding partitions moves cameras to other partitions; stop the
line while you do it. If senders state the partition, you can add partitions at any time.
"""
_WHO = """## Who writes and reads

A *reader* is a consumer of your own.
"""
_ACLS = """## Access rules

The operations that each client needs where Kafka checks ACLs. Read and Write on a topic include Describe in Kafka's
own authorizer.
"""
# By topic: writers and readers.
USERS: dict[str, tuple[str, str]] = {
    names.FRAMES: ("cameras, `stripwatch simulate`, `replay` and `rejects replay`", "`stripwatch run` and `view`"),
    names.RESULTS: ("`stripwatch run`", "reader, `stripwatch view`, `coils` and `report`"),
    names.DEFECTS: ("`stripwatch run`", "reader"),
    names.EVIDENCE: ("`stripwatch run` if `evidence.enabled` is true", "reader, `stripwatch view`"),
    names.REJECTS: (
        "`stripwatch run`; replay marks: `stripwatch rejects replay`",
        "`stripwatch rejects`, `view`, `coils` and `report`",
    ),
    names.REVIEW: (
        "`stripwatch run` if `review.enabled` is true; corrections: `stripwatch view` if writing is switched on",
        "`stripwatch train collect`, `stripwatch view` if writing is switched on",
    ),
    names.SHADOW: ("`stripwatch run` if `shadow.bundle` is set", "reader"),
    names.COILS: ("`stripwatch coils`", "reader; `stripwatch coils` at its start"),
    names.ACKNOWLEDGEMENTS: ("`stripwatch view` if writing is switched on", "reader, `stripwatch view`"),
    names.CAMERAS: ("`stripwatch run` if the topic exists", "reader, `stripwatch view`"),
}
# Client, resource, operations.
ACLS: list[tuple[str, str, str]] = [
    ("camera", f"topic `{names.FRAMES}`", "Write"),
    ("`stripwatch run`", f"topic `{names.FRAMES}`", "Read"),
    (
        "`stripwatch run`",
        f"topics `{names.RESULTS}`, `{names.DEFECTS}`, `{names.REJECTS}`, and `{names.EVIDENCE}`, `{names.REVIEW}`, "
        f"`{names.SHADOW}` if switched on",
        "Write. DescribeConfigs lets the worker read the size limit of a topic; without it, the worker learns the "
        "limit from a refused record",
    ),
    (
        "`stripwatch run`",
        f"topic `{names.CAMERAS}`",
        "Write; optional. Without it, the worker does not see the topic and publishes no states of cameras",
    ),
    ("`stripwatch run`", "group `group_id`", "Read"),
    (
        '`stripwatch run` with `delivery = "exactly-once"`',
        "transactional ids with the prefix `GROUP-`, where GROUP is `group_id`",
        "Write and Describe",
    ),
    ("`stripwatch coils`", f"topics `{names.RESULTS}`, `{names.REJECTS}`, `{names.COILS}`", "Read"),
    ("`stripwatch coils`", f"topic `{names.COILS}`", "Write"),
    ("`stripwatch coils`", "group `--group-id`, by default `stripwatch-coils`", "Read"),
    (
        "`stripwatch view`",
        f"topics `{names.FRAMES}`, `{names.RESULTS}`, `{names.REJECTS}`, and `{names.EVIDENCE}`, "
        f"`{names.ACKNOWLEDGEMENTS}` and `{names.CAMERAS}` if they exist",
        "Read; it joins no group",
    ),
    ("`stripwatch view` if writing is switched on", f"topic `{names.ACKNOWLEDGEMENTS}`", "Write"),
    ("`stripwatch view` if writing is switched on", f"topic `{names.REVIEW}`", "Read and Write"),
    ("`stripwatch report`", f"topics `{names.RESULTS}`, `{names.REJECTS}`", "Read; it joins no group"),
    ("`stripwatch rejects list`", f"topic `{names.REJECTS}`", "Read; it joins no group"),
    ("`stripwatch rejects replay`", f"topics `{names.REJECTS}`, `{names.FRAMES}`", "Read on rejects, Write on both"),
    ("`stripwatch train collect`", f"topic `{names.REVIEW}`", "Read; it joins no group"),
    ("`stripwatch topics`", "all topics", "Create, Describe and DescribeConfigs"),
    ("reader of defect events", f"topic `{names.DEFECTS}` and its own group", "Read"),
]


def topics_page() -> str:
    """Return the page with contents, settings, writers, readers and access rules of each topic."""
    return page(
        _HEAD,
        table(["topic", "content", "key"], _contents()),
        _PLAN,
        table(["topic", "partitions", "retention.ms", "max.message.bytes"], map(_settings, default_plans())),
        _WHO,
        table(["topic", "written by", "read by"], ([code(topic), *users] for topic, users in USERS.items())),
        _ACLS,
        table(["client", "resource", "operations"], ACLS),
    )


def default_plans() -> list[TopicPlan]:
    """Return the topics as `stripwatch topics` creates them without options."""
    options = {name: parameter.default for name, parameter in signature(topics_command).parameters.items()}
    return plan_topics(*(options[name] for name in signature(plan_topics).parameters))


def _contents() -> list[list[str]]:
    document = asyncapi()
    rows = []
    for kind, channel in document["channels"].items():
        key = document["components"]["messages"][kind]["bindings"]["kafka"]["key"]["description"]
        rows.append([code(channel["address"]), channel["description"], key])
    return rows


def _settings(plan: TopicPlan) -> list[str]:
    return [
        code(plan.name),
        str(plan.partitions),
        _retention(plan.settings.get("retention.ms")),
        plan.settings["max.message.bytes"],
    ]


def _retention(milliseconds: str | None) -> str:
    if milliseconds is None:
        return "compacted"
    hours = int(milliseconds) // 3_600_000
    return f"{milliseconds} ({f'{hours} hours' if hours < 48 else f'{hours // 24} days'})"
