"""`stripwatch rejects list|replay`: shows rejected frames and sends them again."""

import re
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from stripwatch.worker.broker.admin import require_write_access
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.producers import open_frame_producer
from stripwatch.worker.broker.topic_drain import open_drain
from stripwatch.worker.commands.reject_replayer import RejectReplayer
from stripwatch.worker.commands.stored_reject import StoredReject, read_reject
from stripwatch.worker.common.clock import Clock, SystemClock
from stripwatch.worker.common.errors import RejectReason, SettingsError
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.command_line import LazyCommand, new_app
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.facts import facts_of
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, finish
from stripwatch.worker.config.command_line.cli_options import (
    BootstrapServers,
    DryRun,
    FramesTopic,
    SecurityConfig,
    SecuritySet,
    security_of,
    topic_option,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.contracts import topics
from stripwatch.worker.contracts.positions import Record
from stripwatch.worker.contracts.replay_mark import replayed_id
from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339

_READING, _READING_MARKS = "reading rejects", "reading replay marks"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

COMMANDS = (
    LazyCommand(
        "list",
        "stripwatch.worker.commands.rejects:list_rejects",
        "List the rejects on the topic with time, reason, camera, and original position.",
        bare_json=False,  # in earlier versions it printed one line per reject
    ),
    LazyCommand(
        "replay",
        "stripwatch.worker.commands.rejects:replay",
        "Send rejected frames again with their original bytes, key, headers, time and partition.",
    ),
)
rejects = new_app("List rejected frames, and send them again.", COMMANDS)

RejectsTopic = Annotated[str, typer.Option("--rejects-topic", help="Topic with the rejects.", callback=topic_option)]
Reasons = Annotated[
    list[RejectReason] | None,
    typer.Option("--reason", metavar="REASON", help="Select rejects with this reason. Repeatable."),
]
CameraId = Annotated[str | None, typer.Option("--camera", help="Select rejects of this camera.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Select rejects of the last 90m, 2h or 7d, or since 2026-11-23T02:00:00Z."),
]


@dataclass(frozen=True, slots=True)
class Filter:
    reasons: frozenset[str]
    camera: str | None
    since_ms: int

    def lets_through(self, reject: StoredReject) -> bool:
        return (
            (not self.reasons or reject.reason in self.reasons)
            and self.camera in (None, reject.camera)
            and reject.rejected_ms >= self.since_ms
        )


@settings_as_options
def list_rejects(
    bootstrap_servers: BootstrapServers,
    reason: Reasons = None,
    camera: CameraId = None,
    since: Since = None,
    newest: Annotated[int, typer.Option(min=1, help="Maximum number of rejects to show. The newest are shown.")] = 100,
    rejects_topic: RejectsTopic = topics.REJECTS,
    config: SecurityConfig = None,
    security: SecuritySet = None,
    json_file: JsonFile = None,
) -> None:
    """List the rejects on the topic with time, reason, camera, and original position.

        stripwatch rejects list --bootstrap-servers localhost:9092 --since 2h

    The JSON object has the rejects as a list, and the number of all matching ones by reason.
    """
    wanted, found = _filter(reason, camera, since), _Found()
    client = ClientConfig(bootstrap_servers, security_of(config, security))
    shown: deque[StoredReject] = deque(maxlen=newest)
    with open_drain(client, rejects_topic, _READING) as records:
        for reject in found.matching(records, wanted):
            shown.append(reject)
    counts = found.summary() | {"shown": len(shown), "topic": rejects_topic}
    summary = counts | {"rejects": [reject.as_json() for reject in shown]}
    finish(Outcome(summary, facts_of(counts), [_table(shown)] if shown else [], listing=True), json_file)


@settings_as_options
def replay(
    bootstrap_servers: BootstrapServers,
    reason: Reasons = None,
    camera: CameraId = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of frames to send. 0 sets no limit.")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="Frames per second. 0 is as fast as possible.")] = 0.0,
    replays_max: Annotated[
        int, typer.Option("--replays-max", min=1, help="Skip frames that were already replayed this many times.")
    ] = 1,
    dry_run: DryRun = False,
    topic: FramesTopic = topics.FRAMES,
    rejects_topic: RejectsTopic = topics.REJECTS,
    config: SecurityConfig = None,
    security: SecuritySet = None,
    json_file: JsonFile = None,
) -> None:
    """Send rejected frames again with their original bytes, key, headers, time and partition.

    The command sends the frames of the rejects on the topic at its start, each frame once, even across several runs and
    users: it marks replayed frames on the rejects topic. It therefore needs write access to both topics (with --dry-run
    to neither). A frame keeps its capture time, and is inspected however late it is. Its result replaces the reject in
    coil reports. A reject without its complete frame is reported, but not sent.

        stripwatch rejects replay --bootstrap-servers localhost:9092 --since 1d

    SIGTERM and Ctrl-C stop it cleanly.
    """
    wanted, found, clock = _filter(reason, camera, since), _Found(), SystemClock()
    client = ClientConfig(bootstrap_servers, security_of(config, security))
    with stop_on_signal(clock.stop), open_frame_producer(client, topic) as producer:
        if not dry_run:
            require_write_access(client, [topic, rejects_topic])
        with open_drain(client, rejects_topic, _READING_MARKS, lambda: clock.stopped) as records:
            replays = Counter(mark for record in records if (mark := replayed_id(record.value, record.headers)))
        resender = RejectReplayer(None if dry_run else producer, topic, replays_max, rejects_topic, replays)
        with open_drain(client, rejects_topic, _READING, lambda: clock.stopped) as records:
            replay_rejects(found.matching(records, wanted), resender, clock, limit, rate)
    finish(Outcome(found.summary() | resender.summary() | {"topic": topic, "dry_run": dry_run}), json_file)


def replay_rejects(
    rejects: Iterable[StoredReject], resender: RejectReplayer, clock: Clock, limit: int, rate: float
) -> None:
    """Send rejects until there are no more, `limit` are sent (0: no limit), or a stop is requested."""
    for reject in rejects:
        if clock.stopped:
            break
        if resender.send(reject):
            if resender.handed_on == limit:
                break
            clock.sleep(1 / rate if rate else 0)
    resender.finish()


class _Found:
    """Counts the rejects on the topic."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._read = self._unreadable = 0

    def matching(self, records: Iterable[Record], wanted: Filter) -> Iterator[StoredReject]:
        for record in records:
            if replayed_id(record.value, record.headers):
                continue
            self._read += 1
            try:
                reject = read_reject(record)
            except ValueError as error:
                self._unreadable += 1
                say(f"skipping {record.position}, which is not a reject: {error}")
                continue
            if wanted.lets_through(reject):
                self._reasons[reject.reason] += 1
                yield reject

    def summary(self) -> dict[str, Any]:
        return {
            "rejects_read": self._read,
            "unreadable": self._unreadable,
            "matching": self._reasons.total(),
            "reasons": dict(self._reasons.most_common()),
        }


def _filter(reasons: list[RejectReason] | None, camera: str | None, since: str | None) -> Filter:
    return Filter(frozenset(reasons or ()), camera, parse_since(since, time.time()) if since else 0)


def parse_since(text: str, now_s: float) -> int:
    """Parse a time or an age into milliseconds since 1970. Raises SettingsError."""
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return round((now_s - int(ago[1]) * _UNITS_S[ago[2]]) * 1000)
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise SettingsError(
            f"--since must be an age such as 90m, 2h or 7d, or a time such as 2026-11-23T02:00:00Z, not {text!r}"
        ) from error


def _table(shown: Iterable[StoredReject]) -> Table:
    table = Table()
    for name in ("rejected at", "reason", "camera", "frame", "bytes", "replays", "detail"):
        table.add_column(name, no_wrap=name != "detail", overflow="fold")
    for reject in shown:
        cells = rfc3339(reject.rejected_ms), reject.reason, reject.camera, str(reject.original.position)
        numbers = str(reject.original_bytes), str(reject.replays or "")
        table.add_row(*map(Text, (*cells, *numbers, reject.fault or reject.detail)))
    return table
