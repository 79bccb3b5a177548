"""Ledger of sent frames, with the places that the broker acknowledged, also on deleted topics."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from tests.faults.judge import Place, SentFrame


@dataclass(slots=True)
class Ledger:
    """Ledger of sent frames.

    generation: number of times the topic was recreated. acknowledged_s, gone_s: monotonic times by frame number.
    given_up: frames that are no longer waited for; they still count as lost.

    The sender's threads write and the watcher's thread reads. Every access is a single dict operation.
    """

    generation: int = 0
    frames: dict[int, SentFrame] = field(default_factory=dict)
    acknowledged_s: dict[int, float] = field(default_factory=dict)
    gone_s: dict[int, float] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)
    _numbers: dict[Place, int] = field(default_factory=dict)

    def add(self, frame: SentFrame, now_s: float) -> None:
        self._numbers[frame.place] = frame.number
        self.acknowledged_s[frame.number] = now_s
        self.frames[frame.number] = frame

    def delete_topic(self, settled: Collection[Place], now_s: float) -> None:
        """Mark the frames of the deleted topic that have no outcome, because they may never get one."""
        for frame in self.frames.copy().values():  # the sender may add one at the same time
            if frame.place.generation == self.generation and frame.place not in settled:
                self.frames[frame.number] = replace(frame, may_be_gone=True)
                self.gone_s[frame.number] = now_s
        self.generation += 1

    def place(self, partition: int, offset: int, number: int | None) -> Place:
        """Return the place of an outcome's frame. number: the frame's number; None if its headers were not read."""
        if number in self.frames:
            return Place(partition, offset, self.frames[number].place.generation)
        made = (Place(partition, offset, generation) for generation in range(self.generation, -1, -1))
        return next((place for place in made if place in self._numbers), Place(partition, offset, self.generation))

    def unsettled(self, settled: Collection[Place]) -> list[int]:
        """Return the numbers of frames that still need an outcome."""
        frames = self.frames.copy()  # the sender may add one at the same time
        return [
            number
            for number, frame in frames.items()
            if frame.place not in settled and not frame.may_be_gone and number not in self.given_up
        ]

    def waited_s(self, settled: Collection[Place], now_s: float) -> float:
        """Return how long the oldest of them has been waiting, in seconds."""
        return max((now_s - self.acknowledged_s[number] for number in self.unsettled(settled)), default=0.0)
