"""`stripwatch rejects list|replay`: what could not be inspected, and the same frames once more."""

import re
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stripwatch.worker.broker.admin import require_write_access
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.producers import open_frame_producer
from stripwatch.worker.broker.topic_drain import open_drain
from stripwatch.worker.commands.reject_replayer import RejectReplayer
from stripwatch.worker.commands.stored_reject import StoredReject, json_line, read_reject
from stripwatch.worker.common.clock import Clock, SystemClock
from stripwatch.worker.common.command_line import LazyCommand, new_app
from stripwatch.worker.common.console import print_summary, say
from stripwatch.worker.common.errors import RejectReason, SettingsError
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.config.cli_options import BootstrapServers, DryRun, FramesTopic, SecurityConfig, security_of
from stripwatch.worker.contracts import topics
from stripwatch.worker.contracts.positions import Record
from stripwatch.worker.contracts.replay_mark import replayed_id
from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339

_READING, _READING_MARKS = "reading rejects", "reading which were sent again"
_WIDTH_MIN = 140  # in a narrower window lines wrap; what is cut away cannot be looked up
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

COMMANDS = (
    LazyCommand(
        "list",
        "stripwatch.worker.commands.rejects:list_rejects",
        "Show the rejects that are on the topic now: when, why, which camera, and where the frame was.",
    ),
    LazyCommand(
        "replay",
        "stripwatch.worker.commands.rejects:replay",
        "Send the frames of the rejects once more: original bytes, key, headers, time and partition.",
    ),
)
rejects = new_app("Show the frames that could not be inspected, and send them again.", COMMANDS)

RejectsTopic = Annotated[str, typer.Option("--rejects-topic", help="The topic with the rejects.")]
Reasons = Annotated[
    list[RejectReason] | None,
    typer.Option("--reason", metavar="REASON", help="Only with this reason; may be given more than once."),
]
CameraId = Annotated[str | None, typer.Option("--camera", help="Only of this camera.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only rejected since: 90m, 2h, 7d ago, or 2026-11-23T02:00:00Z.")
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


def list_rejects(
    bootstrap_servers: BootstrapServers,
    reason: Reasons = None,
    camera: CameraId = None,
    since: Since = None,
    newest: Annotated[int, typer.Option(min=1, help="Show this many, the newest.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line for each in place of the table.")] = False,
    rejects_topic: RejectsTopic = topics.REJECTS,
    config: SecurityConfig = None,
) -> None:
    """Show the rejects that are on the topic now: when, why, which camera, and where the frame was.

        stripwatch rejects list --bootstrap-servers localhost:9092 --since 2h

    The last line on stdout is JSON: how many there are, by reason.
    """
    wanted, found = _filter(reason, camera, since), _Found()
    client = ClientConfig(bootstrap_servers, security_of(config))
    shown: deque[StoredReject] = deque(maxlen=newest)
    with open_drain(client, rejects_topic, _READING) as records:
        for reject in found.matching(records, wanted):
            shown.append(reject)
    if as_json:
        for reject in shown:
            typer.echo(json_line(reject))
    elif shown:
        Console(width=max(Console().width, _WIDTH_MIN)).print(_table(shown))
    print_summary(found.summary() | {"shown": len(shown), "topic": rejects_topic})


def replay(
    bootstrap_servers: BootstrapServers,
    reason: Reasons = None,
    camera: CameraId = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="Send at most this many; 0 sets no limit.")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="Frames a second; 0 is as fast as it goes.")] = 0.0,
    replays_max: Annotated[
        int, typer.Option("--replays-max", min=1, help="Pass over a frame that was sent again so often already.")
    ] = 1,
    dry_run: DryRun = False,
    topic: FramesTopic = topics.FRAMES,
    rejects_topic: RejectsTopic = topics.REJECTS,
    config: SecurityConfig = None,
) -> None:
    """Send the frames of the rejects once more: original bytes, key, headers, time and partition.

    Only what is on the topic now, and each frame once, whoever sent it again before: a mark on the topic of rejects
    says so, which is why the command must be allowed to write to both topics (with --dry-run to neither). A frame
    keeps its capture time, and is inspected however late it is. Its result replaces the reject in coil reports. A
    reject that lacks a part of its frame is not sent, and named.

        stripwatch rejects replay --bootstrap-servers localhost:9092 --since 1d

    SIGTERM and Ctrl-C end it in order. The last line on stdout is JSON.
    """
    wanted, found, clock = _filter(reason, camera, since), _Found(), SystemClock()
    client = ClientConfig(bootstrap_servers, security_of(config))
    with stop_on_signal(clock.stop), open_frame_producer(client, topic) as producer:
        if not dry_run:
            require_write_access(client, [topic, rejects_topic])
        with open_drain(client, rejects_topic, _READING_MARKS, lambda: clock.stopped) as records:
            replays = Counter(mark for record in records if (mark := replayed_id(record.value, record.headers)))
        resender = RejectReplayer(None if dry_run else producer, topic, replays_max, rejects_topic, replays)
        with open_drain(client, rejects_topic, _READING, lambda: clock.stopped) as records:
            replay_rejects(found.matching(records, wanted), resender, clock, limit, rate)
    print_summary(found.summary() | resender.summary() | {"topic": topic, "dry_run": dry_run})


def replay_rejects(
    rejects: Iterable[StoredReject], resender: RejectReplayer, clock: Clock, limit: int, rate: float
) -> None:
    """Until they end, `limit` are sent (0: no limit), or somebody asks to stop."""
    for reject in rejects:
        if clock.stopped:
            break
        if resender.send(reject):
            if resender.handed_on == limit:
                break
            clock.sleep(1 / rate if rate else 0)
    resender.finish()


class _Found:
    """What the topic holds, counted."""

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
                say(f"{record.position} is no reject: {error}")
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
    """A moment, or how long ago, in milliseconds since 1970. Raises SettingsError."""
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return round((now_s - int(ago[1]) * _UNITS_S[ago[2]]) * 1000)
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise SettingsError(
            f"--since takes 90m, 2h, 7d or a time with its zone such as 2026-11-23T02:00:00Z, not {text!r}"
        ) from error


def _table(shown: Iterable[StoredReject]) -> Table:
    table = Table(box=None)
    for name in ("rejected at", "reason", "camera", "frame", "bytes", "replays", "detail"):
        table.add_column(name, no_wrap=name != "detail", overflow="fold")
    for reject in shown:
        cells = rfc3339(reject.rejected_ms), reject.reason, reject.camera, str(reject.original.position)
        numbers = str(reject.original_bytes), str(reject.replays or "")
        table.add_row(*map(Text, (*cells, *numbers, reject.fault or reject.detail)))
    return table
