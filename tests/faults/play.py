"""The run of a plan: bursts, strikes and mending, in one thread that also looks after the workers."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.crew import Crew
from tests.faults.plan import Plan, Strike
from tests.faults.strikes import Hand, Heal
from tests.faults.traffic import Sender, Watcher

READY_S_MAX = 90.0
MEET_S_MAX = 60.0  # the broker may be starting meanwhile
SETTLE_S_MAX = 120.0  # without progress
_TOP_UP_FRAMES = 10
_TOP_UP_S = 1.0
_LOOK_S = 0.01


class HarnessError(Exception):
    """The harness itself did not do what it should, so nothing is proved."""


@dataclass(frozen=True, slots=True)
class Met:
    """A strike, whom it hit, and how many frames the victim had in flight; 0: it met none and does not count."""

    strike: Strike
    worker: int
    frames: int


@dataclass(slots=True)
class Play:
    """met: strike by strike. stuck: times that the workers did not get ready, or did not end, in time."""

    plan: Plan
    crew: Crew
    hand: Hand
    sender: Sender
    watcher: Watcher
    log: Path
    met: list[Met] = field(default_factory=list)
    stuck: int = 0
    _heals: list[tuple[float, Heal]] = field(default_factory=list)

    def run(self) -> None:
        """From the first start of the workers to their end. Raises HarnessError if they do not start at all."""
        if not self._until(lambda: self.crew.ready or bool(self.crew.exits), READY_S_MAX) or self.crew.exits:
            raise HarnessError(
                f"the workers did not get ready before the first fault; their logs are in {self.log.parent}"
            )
        for strike in self.plan.strikes:
            self._burst(strike)
        self._until(lambda: not self._heals, READY_S_MAX)
        self._expect(lambda: self.crew.ready, READY_S_MAX)
        self.sender.send(self.sender.left)
        self.sender.close()
        self._await_settled()
        self.crew.begin_stop()
        self._expect(lambda: self.crew.ended, READY_S_MAX)

    def _burst(self, strike: Strike) -> None:
        self._until(lambda: self.hand.possible(strike), READY_S_MAX)
        self.sender.send(strike.frames)
        ready_s = time.monotonic() + strike.wait_s
        worker, frames = self._find_victim(strike, ready_s)
        if frames:
            lasts_s, heal = self.hand.strike(strike, worker)
            self._heals.append((time.monotonic() + lasts_s, heal))
        self._note(Met(strike, worker, frames))
        self._until(lambda: False, strike.rest_s)

    def _find_victim(self, strike: Strike, ready_s: float) -> tuple[int, int]:
        """The worker that the plan names, or after a second any; and its frames in flight, 0 if there are none."""
        top_up_s = ready_s + _TOP_UP_S
        others = [worker.number for worker in self.crew.workers]
        deadline_s = ready_s + MEET_S_MAX
        while (now_s := time.monotonic()) < deadline_s:
            self._tick()
            for worker in [strike.worker] if now_s < top_up_s else others:
                if now_s >= ready_s and (frames := self.crew.inflight_frames(worker)):
                    return worker, frames
            if now_s > top_up_s and self.watcher.settled >= self.sender.sent:
                self.sender.send(_TOP_UP_FRAMES)
        return strike.worker, 0

    def _await_settled(self) -> None:
        """Until every frame has come out, or nothing has for a long time: the judge says what is missing."""
        seen, since_s = self.watcher.settled, time.monotonic()
        while self.watcher.settled < self.sender.sent and time.monotonic() < since_s + SETTLE_S_MAX:
            self._tick()
            if self.watcher.settled > seen:
                seen, since_s = self.watcher.settled, time.monotonic()

    def _expect(self, done: Callable[[], bool], seconds: float) -> None:
        self.stuck += not self._until(done, seconds)

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline_s = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline_s:
                return False
            self._tick()
        return True

    def _tick(self) -> None:
        self.crew.look()
        due = [entry for entry in self._heals if entry[0] <= time.monotonic()]
        for entry in due:
            self._heals.remove(entry)
            entry[1]()
        time.sleep(_LOOK_S)

    def _note(self, met: Met) -> None:
        """A line that can be laid beside the logs of the workers."""
        self.met.append(met)
        line = {
            "timestamp": datetime.now(UTC).isoformat(),
            "fault": met.strike.fault,
            "worker": met.worker,
            "inflight_frames": met.frames,
            "sent": self.sender.sent,
            "settled": self.watcher.settled,
        }
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
