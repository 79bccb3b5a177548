"""Run one seed, from new topics to its verdict."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.sections import Topics
from tests.brokers.handle import BrokerHandle
from tests.faults.control import Control
from tests.faults.crew import make_crew
from tests.faults.history import read_outcomes
from tests.faults.judge import Counts, Delivery, Outcome, Place, SentFrame, judge
from tests.faults.kafka import Kafka
from tests.faults.kinds.fault import TRANSACTION_S, Scene
from tests.faults.ledger import Ledger
from tests.faults.memory import memory_mb_max
from tests.faults.models import expected_by, make_models
from tests.faults.plan import Plan
from tests.faults.play import HarnessError, Met, Play
from tests.faults.silence import Hit, Silence, longest, silences
from tests.faults.traffic import PARTITIONS, PARTITIONS_OUT, Sender, Watcher

# A pause can outlast a transaction. Kafka then aborts it, and the worker must not mistake that for fencing by another
# worker when it resumes.
SETTINGS = {
    "inflight.frames_max": "64",
    "batch_frames_max": "8",
    "commit_ms": "300",
    "exactly_once.transaction_s_max": f"{TRANSACTION_S:g}",
    "bundle_check_s": "0.3",
}
_REJECT_BYTES_MAX = "1048588"  # Kafka's default for a topic; this broker accepts more


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a seed.

    kafka: Kafka version. met: one entry per fault. models: number of different models that produced results.
    uncommitted: lag of the consumer group after all workers stopped, in frames. crashed: workers that ended with an
    unexpected exit code. stuck: workers that did not stop in time or never became ready. gave_up: workers that ended
    with BrokerUnavailableError, which is allowed, and were started again. stop_s_max: longest time from SIGTERM to the
    exit. silent: number of times a partition was silent for too long. stalled: the same, but caused by the machine,
    which is inconclusive. silences: longest silence per fault. away_s: longest time that Kafka was unavailable, per
    fault. memory_mb_max: maximum resident memory of one process. swollen: 1 if that exceeds memory_mb_allowed.
    skipped_markers: how often Kafka logged that it did not write a transaction marker (see kafka.py).
    """

    seed: int
    delivery: Delivery
    cluster: str
    kafka: str
    workers: int
    frames: int
    met: list[Met]
    counts: Counts
    uncommitted: int
    crashed: int
    stuck: int
    gave_up: int
    silent: int
    stalled: int
    swollen: int
    silences: list[Silence]
    away_s: dict[str, float]
    memory_mb_max: float
    memory_mb_allowed: float
    stop_s_max: float
    models: int
    skipped_markers: int = 0
    seconds: float = 0.0

    @property
    def broken(self) -> list[str]:
        """Names of the guarantees that were broken."""
        own = [name for name in ("uncommitted", "crashed", "stuck", "silent", "swollen") if getattr(self, name)]
        return self.counts.broken(self.delivery) + own

    @property
    def strikes(self) -> int:
        """Number of faults whose target had frames in flight."""
        return sum(met.frames > 0 for met in self.met)


def run_seed(kafka: Kafka, plan: Plan, delivery: Delivery, folder: Path, beyond_s_max: float) -> Verdict:
    """Run one seed, and leave its plan, logs and history in the folder.

    beyond_s_max: seconds that a partition may be silent beyond the allowed time. Raises HarnessError.
    """
    began_s = time.monotonic()
    (folder / "plan.json").write_text(json.dumps(asdict(plan), indent=1))
    topics, models, ledger = _make_topics(kafka.handle), make_models(folder), Ledger()
    bundle = folder / "current.onnx"
    bundle.write_bytes(next(iter(models.good.values())))
    group, skipped = kafka.handle.new_name("group"), kafka.skipped_markers
    settings = {"bundle": str(bundle), "delivery": delivery, "start_at": plan.start_at} | SETTINGS
    crew = make_crew(plan.processes, kafka, group, topics, settings, folder)
    try:
        with Control(kafka.handle) as control, Watcher(kafka.handle, topics, ledger) as watcher:
            sender = Sender(kafka, topics.frames, group, plan.bad, ledger)
            scene = Scene(crew, kafka, models, bundle, topics, sender, watcher)
            play = Play(plan, scene, ledger, folder / "strikes.jsonl")
            play.run()
    finally:
        crew.close()
    verdict = replace(
        _judge(play, _silences(play, control), delivery, folder, beyond_s_max),
        skipped_markers=kafka.skipped_markers - skipped,
        seconds=round(time.monotonic() - began_s, 1),
    )
    own = {"broken": verdict.broken}
    (folder / "verdict.json").write_text(json.dumps(asdict(verdict) | own, indent=1, default=list))
    return verdict


def _judge(play: Play, silent: Sequence[Silence], delivery: Delivery, folder: Path, beyond_s_max: float) -> Verdict:
    plan, scene, crew = play.plan, play.scene, play.scene.crew
    handle, frames = scene.kafka.handle, list(play.ledger.frames.values())
    ends = scene.sender.ends()
    if not scene.sender.complete(ends):
        raise HarnessError(f"seed {plan.seed}: the topic does not hold each of {len(frames)} frames exactly once")
    outcomes = read_outcomes(handle, scene.topics, play.ledger)
    _keep(folder / "history.jsonl", [*frames, *outcomes])
    _keep(folder / "silences.jsonl", sorted(silent, key=lambda one: -one.seconds)[:100])
    settled = scene.sender.committed()
    allowed = memory_mb_max(len(scene.kafka.nodes))
    return Verdict(
        seed=plan.seed,
        delivery=delivery,
        cluster=plan.cluster,
        kafka=scene.kafka.version,
        workers=plan.workers,
        frames=len(frames),
        met=play.met,
        counts=judge(frames, outcomes, expected_by(scene.models)),
        uncommitted=sum(abs(end - (settled[number] or 0)) for number, end in ends.items()),
        crashed=sum(not end.allowed for end in crew.exits),
        stuck=crew.stuck + play.stuck,
        gave_up=sum(end.code == BrokerUnavailableError.exit_code for end in crew.exits),
        silent=sum(one.too_long(beyond_s_max) and not one.by_machine(beyond_s_max) for one in silent),
        stalled=sum(one.by_machine(beyond_s_max) for one in silent),
        swollen=int(crew.memory_mb_max > allowed),
        silences=list(longest(silent).values()),
        away_s=_away_s(play.hits),
        memory_mb_max=round(crew.memory_mb_max, 1),
        memory_mb_allowed=round(allowed, 1),
        stop_s_max=round(max(end.stop_s or 0.0 for end in crew.exits), 1),
        models=len({outcome.model for outcome in outcomes if outcome.kind == "result"}),
    )


def _silences(play: Play, control: Control) -> list[Silence]:
    """Return the silences, from the results that the watcher saw and the frames that were sent."""
    ledger, watcher = play.ledger, play.scene.watcher
    came_s: dict[Place, float] = {}
    for place, seen_s in watcher.seen:
        came_s.setdefault(place, seen_s)
    sent = [
        (
            frame.place.partition,
            ledger.acknowledged_s[number],
            came_s.get(frame.place, ledger.gone_s.get(number)),
        )
        for number, frame in ledger.frames.items()
    ]
    came = [(place.partition, at_s) for place, at_s in watcher.seen]
    return silences(sent, came, play.hits, play.ended_s, control.seen)


def _away_s(hits: Sequence[Hit]) -> dict[str, float]:
    most: dict[str, float] = {}
    for hit in hits:
        most[hit.fault] = max(most.get(hit.fault, 0.0), round(hit.back_s - hit.began_s, 2))
    return most


def _make_topics(handle: BrokerHandle) -> Topics:
    """Create the topics. Outputs have several partitions too, so only the key keeps a camera's results together."""
    names = {}
    for name in Topics.model_fields:
        limits = {"max_message_bytes": _REJECT_BYTES_MAX} if name == "rejects" else {}
        names[name] = handle.new_topic(PARTITIONS if name == "frames" else PARTITIONS_OUT, **limits)
    return Topics(**names)


def _keep(path: Path, entries: Sequence[SentFrame | Outcome | Silence]) -> None:
    """Write one JSON line per entry, without the bytes of frames."""
    with path.open("w") as file:
        for entry in entries:
            fields = asdict(entry)
            fields.pop("encoded", None)
            file.write(json.dumps(fields) + "\n")
