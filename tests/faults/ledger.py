"""What was sent: every frame with its place, as the broker acknowledged it, also on a topic that is no more."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from tests.faults.judge import Place, SentFrame


@dataclass(slots=True)
class Ledger:
    """generation: how often the topic was recreated. acknowledged_s, gone_s: by number, of the monotonic clock.

    given_up: frames that were waited for long enough. They still count as lost, but nothing waits for them any more.

    The sender's threads write and the watcher's read; each step is one operation on a dict.
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
        """Frames of this topic that have not come out by now may never do."""
        for frame in self.frames.copy().values():  # the sender may add one meanwhile
            if frame.place.generation == self.generation and frame.place not in settled:
                self.frames[frame.number] = replace(frame, may_be_gone=True)
                self.gone_s[frame.number] = now_s
        self.generation += 1

    def place(self, partition: int, offset: int, number: int | None) -> Place:
        """Of the frame that an outcome is about, which tells the number only where its headers were read."""
        if number in self.frames:
            return Place(partition, offset, self.frames[number].place.generation)
        made = (Place(partition, offset, generation) for generation in range(self.generation, -1, -1))
        return next((place for place in made if place in self._numbers), Place(partition, offset, self.generation))

    def unsettled(self, settled: Collection[Place]) -> list[int]:
        """The numbers of frames that must still come out."""
        frames = self.frames.copy()  # the sender may add one meanwhile
        return [
            number
            for number, frame in frames.items()
            if frame.place not in settled and not frame.may_be_gone and number not in self.given_up
        ]

    def waited_s(self, settled: Collection[Place], now_s: float) -> float:
        """How long the oldest of them has been waiting."""
        return max((now_s - self.acknowledged_s[number] for number in self.unsettled(settled)), default=0.0)
