"""What all steps of a search share: settings, frames, stored measurements, time budget, and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
from rich.progress import Progress

from stripwatch.export.runs.run_folder import file_sha256
from stripwatch.training.frontier.measure.graphs import GraphSpec
from stripwatch.training.frontier.measure.heads import HEAD_VERSION
from stripwatch.training.frontier.measure.search_frames import SearchFrames
from stripwatch.training.frontier.measure.store import Store
from stripwatch.training.frontier.plan.budget import Budget
from stripwatch.training.frontier.plan.candidates import Candidate, Pass, Size, key_of
from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.training.frontier.plan.requirement import Requirement
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.worker.common.process.cores import processor_name, usable_cores

_STORE_VERSION = 3


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Settings of a search.

    sizes: input sizes for all networks; empty for a ladder that suits each network. eight_bits: also try int8.
    within_points: see `cheapest_within`. novelty: the bundle has a novelty score. requirement: frame rate to reach, or
    None.
    """

    choices: Sequence[NetworkChoice]
    sizes: Sequence[Size]
    eight_bits: bool
    within_points: float
    folds: int
    seed: int
    novelty: bool
    requirement: Requirement | None = None


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What all steps share. weights_sha256: digest of each weights file by name of the network."""

    settings: SearchSettings
    frames: SearchFrames
    store: Store
    budget: Budget
    progress: Progress
    weights_sha256: dict[str, str]

    def cost_ms(self, decode_ms: float, inference_ms: float) -> float:
        """Return the processor time of a frame, in ms: of a camera's frame if its size is required."""
        wanted = self.settings.requirement
        return decode_ms * (wanted.decode_factor(self.frames.mean_px) if wanted else 1.0) + inference_ms

    @property
    def graph_spec(self) -> GraphSpec:
        """Return what graphs contain besides their backbone."""
        labels, clean = self.frames.dataset.labels, self.frames.clean_label
        clean_at = labels.index(clean) if clean in labels else None
        return GraphSpec(OutputSpec(len(labels), self.frames.task, clean_at), self.settings.novelty)

    def pass_key(self, source: Pass) -> str:
        """Return the key of the scores of a pass."""
        settings, frames = self.settings, self.frames
        data = (frames.data_sha256, frames.task, settings.folds, settings.seed, HEAD_VERSION)
        return key_of(_STORE_VERSION, self._network_key(source.choice), source.spec(frames.bit_depth), data)

    def cost_key(self, candidate: Candidate) -> str:
        """Return the key of the cost of a candidate, which depends on the machine but not on the weights."""
        choice, frames = candidate.source.choice, self.frames
        what = (choice.network, choice.alpha, choice.cut, candidate.cut, candidate.precision)
        outputs = (len(frames.dataset.labels), frames.task, self.settings.novelty)
        machine = (processor_name(), usable_cores(), ort.__version__)
        spec = candidate.source.spec(frames.bit_depth)
        return key_of(_STORE_VERSION, what, spec, outputs, frames.data_sha256, machine)

    def eight_bits_key(self, candidate: Candidate) -> str:
        """Return the key of the int8 scores of a candidate."""
        return key_of(self.pass_key(candidate.source), candidate.cut)

    def cuts_key(self, choice: NetworkChoice) -> str:
        """Return the key of the cuts of a network."""
        return key_of(_STORE_VERSION, choice.network, choice.alpha, choice.cut)

    def _network_key(self, choice: NetworkChoice) -> tuple[object, ...]:
        weights = self.weights_sha256.get(choice.name, choice.weights)
        return (choice.network, choice.alpha, choice.cut, weights)


def hash_weights(choices: Sequence[NetworkChoice]) -> dict[str, str]:
    """Return the SHA-256 of each weights file by name of the network."""
    return {each.name: file_sha256(Path(each.weights)) for each in choices if each.weights != "imagenet"}
