"""One seed, from fresh topics to its verdict."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.sections import Topics
from tests.brokers.handle import BrokerHandle
from tests.faults.crew import make_crew
from tests.faults.history import read_outcomes
from tests.faults.judge import Counts, Delivery, Outcome, Place, SentFrame, judge
from tests.faults.kafka import Kafka
from tests.faults.kinds.fault import Scene
from tests.faults.ledger import Ledger
from tests.faults.models import expected_by, make_models
from tests.faults.plan import Plan
from tests.faults.play import HarnessError, Met, Play
from tests.faults.silence import Hit, Silence, longest, silences
from tests.faults.traffic import PARTITIONS, PARTITIONS_OUT, Sender, Watcher

# A pause can outlast a transaction: Kafka then aborts it, and the worker that wakes must not take that for a rival.
SETTINGS = {
    "inflight.frames_max": "64",
    "batch_frames_max": "8",
    "commit_ms": "300",
    "exactly_once.transaction_s_max": "5",
    "bundle_check_s": "0.3",
}
_REJECT_BYTES_MAX = "1048588"  # Kafka's default for a topic; the broker here takes more
MEMORY_MB_MAX = 700.0  # of one process: what the documentation promises for these limits, and a runtime beside it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a seed came to. met: strike by strike. models: how many different ones made results.

    uncommitted: frames behind which the group stands when all workers have stopped. crashed: workers that ended with a
    code they had no reason for. stuck: ones that did not stop in time, or never got ready. gave_up: ones that ended
    with BrokerUnavailableError, as they may, and were started again. stop_s_max: the longest way from a SIGTERM to the
    end. silent: times that a partition was silent for too long; silences: the longest of each fault. away_s:
    by fault, how long Kafka could not serve at most. memory_mb_max: the
    most that one process had resident; swollen: 1 if that is too much.
    """

    seed: int
    delivery: Delivery
    cluster: str
    workers: int
    frames: int
    met: list[Met]
    counts: Counts
    uncommitted: int
    crashed: int
    stuck: int
    gave_up: int
    silent: int
    swollen: int
    silences: list[Silence]
    away_s: dict[str, float]
    memory_mb_max: float
    stop_s_max: float
    models: int
    seconds: float

    @property
    def broken(self) -> list[str]:
        """The promises that do not hold."""
        own = [name for name in ("uncommitted", "crashed", "stuck", "silent", "swollen") if getattr(self, name)]
        return self.counts.broken(self.delivery) + own

    @property
    def strikes(self) -> int:
        """That met frames in flight."""
        return sum(met.frames > 0 for met in self.met)


def run_seed(kafka: Kafka, plan: Plan, delivery: Delivery, folder: Path, beyond_s_max: float) -> Verdict:
    """Plan, logs and history stay in the folder. beyond_s_max: of a silence. Raises HarnessError."""
    began_s = time.monotonic()
    (folder / "plan.json").write_text(json.dumps(asdict(plan), indent=1))
    topics, models, ledger = _make_topics(kafka.handle), make_models(folder), Ledger()
    bundle = folder / "current.onnx"
    bundle.write_bytes(next(iter(models.good.values())))
    group = kafka.handle.new_name("group")
    settings = {"bundle": str(bundle), "delivery": delivery, "start_at": plan.start_at} | SETTINGS
    crew = make_crew(plan.processes, kafka, group, topics, settings, folder)
    try:
        with Watcher(kafka.handle, topics, ledger) as watcher:
            sender = Sender(kafka, topics.frames, group, plan.bad, ledger)
            scene = Scene(crew, kafka, models, bundle, topics, sender, watcher)
            play = Play(plan, scene, ledger, folder / "strikes.jsonl")
            play.run()
    finally:
        crew.close()
    return _judge(play, delivery, folder, began_s, beyond_s_max)


def _judge(play: Play, delivery: Delivery, folder: Path, began_s: float, beyond_s_max: float) -> Verdict:
    plan, scene, crew = play.plan, play.scene, play.scene.crew
    handle, frames = scene.kafka.handle, list(play.ledger.frames.values())
    ends = scene.sender.ends()
    if not scene.sender.complete(ends):
        raise HarnessError(f"seed {plan.seed}: not each of {len(frames)} frames lies once in its topic")
    outcomes = read_outcomes(handle, scene.topics, play.ledger)
    silent = _silences(play)
    _keep(folder / "history.jsonl", [*frames, *outcomes])
    _keep(folder / "silences.jsonl", sorted(silent, key=lambda one: -one.seconds)[:100])
    settled = scene.sender.committed()
    verdict = Verdict(
        seed=plan.seed,
        delivery=delivery,
        cluster=plan.cluster,
        workers=plan.workers,
        frames=len(frames),
        met=play.met,
        counts=judge(frames, outcomes, expected_by(scene.models)),
        uncommitted=sum(abs(end - (settled[number] or 0)) for number, end in ends.items()),
        crashed=sum(not end.allowed for end in crew.exits),
        stuck=crew.stuck + play.stuck,
        gave_up=sum(end.code == BrokerUnavailableError.exit_code for end in crew.exits),
        silent=sum(silence.beyond_s > beyond_s_max for silence in silent),
        swollen=int(crew.memory_mb_max > MEMORY_MB_MAX),
        silences=list(longest(silent).values()),
        away_s=_away_s(play.hits),
        memory_mb_max=round(crew.memory_mb_max, 1),
        stop_s_max=round(max(end.stop_s or 0.0 for end in crew.exits), 1),
        models=len({outcome.model for outcome in outcomes if outcome.kind == "result"}),
        seconds=round(time.monotonic() - began_s, 1),
    )
    (folder / "verdict.json").write_text(
        json.dumps(asdict(verdict) | {"broken": verdict.broken}, indent=1, default=list)
    )
    return verdict


def _silences(play: Play) -> list[Silence]:
    """What the watcher saw, against what the sender knows."""
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
    return silences(sent, [(place.partition, at_s) for place, at_s in watcher.seen], play.hits, play.ended_s)


def _away_s(hits: Sequence[Hit]) -> dict[str, float]:
    most: dict[str, float] = {}
    for hit in hits:
        most[hit.fault] = max(most.get(hit.fault, 0.0), round(hit.back_s - hit.began_s, 2))
    return most


def _make_topics(handle: BrokerHandle) -> Topics:
    """Several partitions out as well: only the key keeps a camera's results together."""
    names = {}
    for name in Topics.model_fields:
        limits = {"max_message_bytes": _REJECT_BYTES_MAX} if name == "rejects" else {}
        names[name] = handle.new_topic(PARTITIONS if name == "frames" else PARTITIONS_OUT, **limits)
    return Topics(**names)


def _keep(path: Path, entries: Sequence[SentFrame | Outcome | Silence]) -> None:
    """One line each, without the bytes of frames."""
    with path.open("w") as file:
        for entry in entries:
            fields = asdict(entry)
            fields.pop("encoded", None)
            file.write(json.dumps(fields) + "\n")
