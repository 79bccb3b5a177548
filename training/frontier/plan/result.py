"""Schema of frontier.json: the results of a search."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from stripwatch.export.results.run_evaluation import Interval

SCHEMA = "stripwatch.frontier/1"


class Cost(msgspec.Struct, frozen=True):
    """Processor time per frame on one thread, in ms: medians over rounds and their sum, and the extreme rounds.

    decode_ms: header, decoding and resizing of an encoded frame. inference_ms: of the batch size `batch`, per frame.
    """

    decode_ms: float
    inference_ms: float
    total_ms: float
    total_low_ms: float
    total_high_ms: float
    batch: int
    rounds: int

    @property
    def frames_per_second(self) -> float:
        """Return the frames per second of one core that does nothing else."""
        return 1000 / self.total_ms


class EntryResult(msgspec.Struct, frozen=True):
    """Results of one candidate.

    network, alpha, weights, cut, input, decode: as for `fit`. errors: frames whose labels are not all right, each
    scored by a head that was not fitted on it. p_value: exact McNemar test against the most accurate candidate; None
    for that one. cost: None if it was not timed. precision_note: how an int8 candidate was quantized.
    """

    name: str
    network: str
    alpha: float
    weights: str
    cut: str
    input: str
    decode: str
    precision: str
    frames: int
    errors: int
    accuracy: Interval
    p_value: float | None
    estimated_ms: float | None
    cost: Cost | None
    on_front: bool = False
    precision_note: str = ""


class RateResult(msgspec.Struct, frozen=True):
    """The required rate and who reaches it.

    frame_ms_max: processor time per frame up to which the rate is reached with this number of cores. decode_factor:
    decoding time of a camera's frame divided by that of a frame of the data set. reached_by: the most accurate
    candidate that reaches the rate; None if there is none. frame_ms, cores_needed: by candidate, in a worker.
    """

    frames_per_second: float
    cameras: int | None
    cores: int
    utilisation: float
    other_ms: float
    frame_ms_max: float
    decode_factor: float
    reached_by: str | None
    frame_ms: dict[str, float]
    cores_needed: dict[str, float]


class Machine(msgspec.Struct, frozen=True):
    """The machine that the costs were measured on, and the version of ONNX Runtime."""

    processor: str
    cores: int
    onnxruntime: str


class FrontierResult(msgspec.Struct, frozen=True):
    """Content of frontier.json.

    entries: timed candidates from low to high cost, then the others from high to low accuracy. best: the most accurate
    timed candidate. within: the cheapest one at most within_points below it. winner: the chosen one. selected_accuracy:
    accuracy of the choice by `within` on frames that did not take part in it, with a bootstrap interval. untried: why
    candidates were not measured, by name. rejected: why int8 candidates were rejected, by name. colour: frames have
    colour. minutes: duration of the search in this call.
    """

    schema: str
    created_at: str
    data: str
    frames: int
    groups: int
    labels: list[str]
    task: str
    folds: int
    seed: int
    colour: bool
    frame_size: str
    machine: Machine
    within_points: float
    best: str
    within: str
    winner: str | None
    selected_accuracy: Interval
    rate: RateResult | None
    front: list[str]
    entries: list[EntryResult]
    untried: dict[str, str]
    rejected: dict[str, str]
    minutes: float
    budget_minutes: float
    command: str
    novelty: bool = True

    def entry(self, name: str) -> EntryResult:
        """Return a candidate by name."""
        return next(each for each in self.entries if each.name == name)

    @property
    def timed(self) -> list[EntryResult]:
        """Return the candidates whose cost was measured, cheapest first."""
        return [each for each in self.entries if each.cost is not None]


def to_csv(entries: Sequence[EntryResult]) -> bytes:
    """Return one row per candidate."""
    written = io.StringIO()
    rows = [_row(entry) for entry in entries]
    writer = csv.DictWriter(written, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def _row(entry: EntryResult) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(entry)
    accuracy, cost = row.pop("accuracy"), row.pop("cost") or {}
    row |= {"accuracy": accuracy["value"], "accuracy_low": accuracy["low"], "accuracy_high": accuracy["high"]}
    fields = [field.name for field in msgspec.structs.fields(Cost)]
    rate = {"frames_per_second": entry.cost.frames_per_second if entry.cost else ""}
    return row | {name: cost.get(name, "") for name in fields} | rate
