"""Second step of a search: the cost of the candidates that could be on the frontier, measured in turns."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import keras
import msgspec

from stripwatch.training.frontier.measure.accuracies import Scored
from stripwatch.training.frontier.measure.frame_cost import (
    Round,
    Subject,
    measure_decoding,
    measure_round,
    open_subject,
    summarize,
)
from stripwatch.training.frontier.measure.graphs import cut_backbone, worker_graph
from stripwatch.training.frontier.measure.pooled_features import build_for
from stripwatch.training.frontier.measure.search_context import SearchContext
from stripwatch.training.frontier.plan.candidates import Candidate, Pass
from stripwatch.training.frontier.plan.choice import Rated, most_accurate, worth_timing
from stripwatch.training.frontier.plan.result import Cost
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.progress import duration

ROUNDS = 5
TIMED_MAX = 20
_FRAMES = 16  # real frames that are decoded and inferred in each round


class CostRecord(msgspec.Struct, frozen=True):
    """Stored rounds of a candidate. batch: frames per run. session: of all candidates that were timed together."""

    batch: int
    rounds: list[Round]
    session: str = ""  # in searches of earlier versions


@dataclass(slots=True)
class CostMeter:
    """Measures candidates and knows what was measured.

    costs: by name of the candidate. untried: why candidates were not timed, by name.
    """

    context: SearchContext
    costs: dict[str, Cost] = field(default_factory=dict)
    untried: dict[str, str] = field(default_factory=dict)
    _known: dict[str, Candidate] = field(default_factory=dict)
    _backbone: tuple[Pass, keras.Model] | None = None
    _encoded: list[bytes] = field(default_factory=list)
    _decoding_ms: dict[str, float] = field(default_factory=dict)
    _converted: list[float] = field(default_factory=list)

    @property
    def cost_ms(self) -> dict[str, float]:
        """Return the cost of a frame by name of the candidate, in ms."""
        return {name: self.context.cost_ms(each.decode_ms, each.inference_ms) for name, each in self.costs.items()}

    def estimate(self, scored: Sequence[Scored]) -> list[Rated]:
        """Return the candidates with estimated costs, after the most accurate one of each network was timed.

        The time of inference is taken as proportional to the multiplications, with one factor for each network.
        """
        anchors = {each.candidate.source.choice.name: each for each in find_anchors(scored)}
        self.measure([each.candidate for each in anchors.values()])
        rated = []
        for each in scored:
            anchor = anchors[each.candidate.source.choice.name]
            cost = self.costs.get(anchor.candidate.name)
            if cost is not None:
                inference_ms = cost.inference_ms * each.macs / max(anchor.macs, 1)
                cost_ms = self.context.cost_ms(self._decoding(each.candidate), inference_ms)
                rated.append(Rated(each.candidate.name, each.accuracy, cost_ms))
        return rated

    def measure(self, candidates: Sequence[Candidate]) -> None:
        """Time candidates in turns. What the budget does not allow is left out.

        All candidates of the search are timed together, those timed before again, so that other load on the machine
        affects all of them equally, also if a search continues on another day. Nothing is timed if all of them were
        timed together before.
        """
        self._known |= {each.name: each for each in candidates}
        records = {name: self._stored(each) for name, each in self._known.items()}
        if all(map(is_complete, records.values())) and len({each.session for each in records.values()}) <= 1:
            self.costs = self._summarize(records)
            return
        subjects = self._open_all(records)
        self._known = {name: self._known[name] for name in subjects}
        session = uuid.uuid4().hex
        rounds: dict[str, list[Round]] = {name: [] for name in subjects}
        task = self.context.progress.add_task("timing", total=ROUNDS * len(subjects))
        for _ in range(ROUNDS):
            for name, subject in subjects.items():
                rounds[name].append(measure_round(subject))
                self.context.progress.advance(task)
        timed = {name: CostRecord(subject.batch, rounds[name], session) for name, subject in subjects.items()}
        for name, record in timed.items():
            self.context.store.write_record("rounds", self.context.cost_key(self._known[name]), record)
        self.costs = self._summarize(timed)

    def _summarize(self, records: Mapping[str, CostRecord]) -> dict[str, Cost]:
        """Return the cost of each candidate by name, from complete records.

        Candidates with the same input size and decoding share the median of their decoding times in each round. For
        cameras with larger frames, a small difference between them would count many times.
        """
        decoding: dict[str, list[list[float]]] = {}
        for name, record in records.items():
            times = [each.decode_ms for each in record.rounds[-ROUNDS:]]
            decoding.setdefault(_decoding_key(self._known[name]), []).append(times)
        shared = {key: [median(times) for times in zip(*found, strict=True)] for key, found in decoding.items()}
        costs = {}
        for name, record in records.items():
            decode_ms = shared[_decoding_key(self._known[name])]
            rounds = [
                Round(each_ms, each.inference_ms)
                for each_ms, each in zip(decode_ms, record.rounds[-ROUNDS:], strict=True)
            ]
            costs[name] = summarize(rounds, record.batch)
        return costs

    def is_timed(self, candidate: Candidate) -> bool:
        """Return whether a candidate was timed together with the others before, so that its graph is not needed."""
        records = [self._stored(each) for each in (candidate, *self._known.values())]
        return all(map(is_complete, records)) and len({each.session for each in records}) == 1

    def _stored(self, candidate: Candidate) -> CostRecord:
        record = self.context.store.read_record("rounds", self.context.cost_key(candidate), CostRecord)
        return record or CostRecord(0, [])

    def _open_all(self, records: Mapping[str, CostRecord]) -> dict[str, Subject]:
        """Open candidates for timing, by name; without those that cannot be converted or are over the budget."""
        task = self.context.progress.add_task("converting", total=len(records))
        subjects: dict[str, Subject] = {}
        for name, record in records.items():
            candidate = self._known[name]
            key = self.context.cost_key(candidate)
            graph = self.context.store.read_graph(key) or self._convert(candidate, key, required=not subjects)
            if graph is not None:
                spec = candidate.source.spec(self.context.frames.bit_depth)
                subjects[name] = open_subject(graph, spec, self._frames(), record.batch or None)
            self.context.progress.advance(task)
        return subjects

    def _convert(self, candidate: Candidate, key: str, required: bool) -> bytes | None:
        """Convert and store a candidate; None if it cannot be exported, or is not required and over the budget."""
        expected_s = sum(self._converted) / len(self._converted) if self._converted else 0.0
        if not required and not self.context.budget.allows(expected_s):
            self.untried[candidate.name] = f"not timed: that takes about {duration(expected_s)}, over the time budget"
            return None
        started = time.monotonic()
        try:
            backbone = cut_backbone(candidate, self.backbone_of(candidate.source))
            graph = bytes(worker_graph(candidate, backbone, self.context.graph_spec)[0].SerializeToString())
        except ExportRejectedError as error:
            self.untried[candidate.name] = f"not timed: {error}"
            say(f"{candidate.name}: not timed, because it cannot be exported: {error}")
            return None
        self._converted.append(time.monotonic() - started)
        self.context.store.write_graph(key, graph)
        return graph

    def backbone_of(self, source: Pass) -> keras.Model:
        """Return the backbone of a pass. The last one is kept, since neighbours often share it."""
        if self._backbone is None or self._backbone[0] != source:
            self._backbone = (source, build_for(source))
        return self._backbone[1]

    def _frames(self) -> list[bytes]:
        if not self._encoded:
            self._encoded.extend(self.context.frames.encoded(_FRAMES))
        return self._encoded

    def _decoding(self, candidate: Candidate) -> float:
        key = _decoding_key(candidate)
        if key not in self._decoding_ms:
            spec = candidate.source.spec(self.context.frames.bit_depth)
            self._decoding_ms[key] = measure_decoding(self._frames(), spec)
        return self._decoding_ms[key]


def _decoding_key(candidate: Candidate) -> str:
    return f"{candidate.source.size} {candidate.source.decode}"


def is_complete(record: CostRecord) -> bool:
    """Return whether a candidate was timed in enough rounds."""
    return len(record.rounds) >= ROUNDS


def find_anchors(scored: Sequence[Scored]) -> list[Scored]:
    """Return the most accurate candidate of each network, the one with the fewest multiplications of several."""
    by_network: dict[str, list[Scored]] = {}
    for each in scored:
        by_network.setdefault(each.candidate.source.choice.name, []).append(each)
    anchors = []
    for group in by_network.values():
        named = {each.candidate.name: each for each in group}
        best = most_accurate([Rated(name, each.accuracy, each.macs) for name, each in named.items()])
        anchors.append(named[best.name])
    return anchors


def choose_to_time(rated: Sequence[Rated]) -> list[str]:
    """Return the names of the candidates to time, cheapest first; if there are too many, the most accurate ones."""
    worth = worth_timing(rated)
    kept = {each.name for each in sorted(worth, key=lambda each: -each.accuracy)[:TIMED_MAX]}
    return [each.name for each in worth if each.name in kept]
