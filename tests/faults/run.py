"""One seed, from fresh topics to its verdict."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from kafka.structs import TopicPartition

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.sections import Topics
from tests.brokers.handle import BrokerHandle
from tests.faults.crew import make_crew
from tests.faults.history import read_frames, read_outcomes
from tests.faults.judge import Counts, Delivery, Outcome, SentFrame, judge
from tests.faults.kafka import Kafka
from tests.faults.models import Models, expected_by, make_models
from tests.faults.plan import make_plan
from tests.faults.play import HarnessError, Met, Play
from tests.faults.strikes import Hand
from tests.faults.traffic import PARTITIONS, Sender, Watcher

# A pause can outlast a transaction: Kafka then aborts it, and the worker that wakes must not take that for a rival.
SETTINGS = {
    "inflight_frames_max": "64",
    "batch_frames_max": "8",
    "commit_ms": "300",
    "transaction_s_max": "5",
    "bundle_check_s": "0.3",
}
_PARTITIONS_OUT = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a seed came to. met: strike by strike. models: how many different ones made results.

    uncommitted: frames behind which the group stands when all workers have stopped. crashed: workers that ended with a
    code they had no reason for. stuck: ones that did not stop in time, or never got ready. gave_up: ones that ended
    with BrokerUnavailableError, as they may, and were started again. stop_s_max: the longest way from a SIGTERM to the
    end.
    """

    seed: int
    delivery: Delivery
    workers: int
    frames: int
    met: list[Met]
    counts: Counts
    uncommitted: int
    crashed: int
    stuck: int
    gave_up: int
    stop_s_max: float
    models: int
    seconds: float

    @property
    def broken(self) -> list[str]:
        """The promises that do not hold."""
        own = [name for name in ("uncommitted", "crashed", "stuck") if getattr(self, name)]
        return self.counts.broken(self.delivery) + own

    @property
    def strikes(self) -> int:
        """That met frames in flight."""
        return sum(met.frames > 0 for met in self.met)


def run_seed(kafka: Kafka, seed: int, frames: int, delivery: Delivery, folder: Path) -> Verdict:
    """Plan, logs and history stay in the folder. Raises HarnessError."""
    began_s = time.monotonic()
    plan = make_plan(seed, frames)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(asdict(plan), indent=1))
    topics, models = _make_topics(kafka.handle), make_models(folder)
    bundle = folder / "current.onnx"
    bundle.write_bytes(next(iter(models.good.values())))
    group = kafka.handle.new_name("group")
    ports = [proxy.port for proxy in kafka.proxies]
    crew = make_crew(
        plan.workers, ports, group, topics, {"bundle": str(bundle), "delivery": delivery} | SETTINGS, folder
    )
    try:
        with Watcher(kafka.handle, topics) as watcher:
            sender = Sender.on(kafka.handle, topics.frames, plan)
            play = Play(plan, crew, Hand(crew, kafka, models, bundle), sender, watcher, folder / "strikes.jsonl")
            play.run()
    finally:
        crew.close()
    return _judge(kafka.handle, play, delivery, topics, models, group, folder, time.monotonic() - began_s)


def _judge(
    handle: BrokerHandle,
    play: Play,
    delivery: Delivery,
    topics: Topics,
    models: Models,
    group: str,
    folder: Path,
    seconds: float,
) -> Verdict:
    plan, crew = play.plan, play.crew
    frames = read_frames(handle, topics.frames, plan)
    if sorted(frame.number for frame in frames) != list(range(len(plan.bad))):
        raise HarnessError(f"seed {plan.seed}: not each of {len(plan.bad)} frames lies once in its topic")
    outcomes = read_outcomes(handle, topics)
    _keep(folder / "history.jsonl", frames, outcomes)
    return Verdict(
        seed=plan.seed,
        delivery=delivery,
        workers=plan.workers,
        frames=len(frames),
        met=play.met,
        counts=judge(frames, outcomes, expected_by(models)),
        uncommitted=len(frames) - _committed(handle, topics.frames, group),
        crashed=sum(not end.allowed for end in crew.exits),
        stuck=crew.stuck + play.stuck,
        gave_up=sum(end.code == BrokerUnavailableError.exit_code for end in crew.exits),
        stop_s_max=round(max(end.stop_s or 0.0 for end in crew.exits), 1),
        models=len({outcome.model for outcome in outcomes if outcome.kind == "result"}),
        seconds=round(seconds, 1),
    )


def _make_topics(handle: BrokerHandle) -> Topics:
    """Several partitions out as well: only the key keeps a camera's results together."""
    names = {
        name: handle.new_topic(PARTITIONS if name == "frames" else _PARTITIONS_OUT) for name in Topics.model_fields
    }
    return Topics(**names)


def _committed(handle: BrokerHandle, topic: str, group: str) -> int:
    """The sum over the partitions."""
    with handle.consumer(group_id=group) as consumer:
        return sum(consumer.committed(TopicPartition(topic, number)) or 0 for number in range(PARTITIONS))


def _keep(path: Path, frames: list[SentFrame], outcomes: list[Outcome]) -> None:
    """One line a frame and outcome, without the bytes."""
    entries: list[SentFrame | Outcome] = [*frames, *outcomes]
    with path.open("w") as file:
        for entry in entries:
            fields = asdict(entry)
            del fields["encoded"]
            file.write(json.dumps(fields) + "\n")
