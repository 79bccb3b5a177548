"""Run a plan: bursts of frames, faults and their healing, in one thread that also supervises the workers."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.kinds import FAULTS
from tests.faults.kinds.fault import Blow, Course, Scene
from tests.faults.ledger import Ledger
from tests.faults.plan import Plan, Strike
from tests.faults.silence import Hit
from tests.faults.traffic import TRICKLE_S

READY_S_MAX = 90.0
MEET_S_MAX = 60.0  # the broker may be starting at the same time
SETTLE_S_MAX = 90.0  # seconds without progress
CALM_S_MAX = 45.0
BLAMED_S = 10.0  # used if the next fault does not wait for recovery
_WAITS_S = 1.0  # longer than any frame waits without a fault
_REACHED_S = 2 * TRICKLE_S  # until a frame was sent to each partition and acknowledged
_TOP_UP_FRAMES = 10
_TOP_UP_S = 1.0
_POLL_S = 0.01
_ASK_S = 0.1


class HarnessError(Exception):
    """The harness failed, so the result is inconclusive."""


@dataclass(frozen=True, slots=True)
class Met:
    """An injected fault, its target, and the target's frames in flight; with 0 frames it does not count.

    possible: whether this machine supports it.
    """

    strike: Strike
    worker: int
    frames: int
    possible: bool = True


@dataclass(slots=True)
class _Ongoing:
    """A fault in progress. due_s: when to heal it. healed_s: when it was healed. back_s, blamed_until_s: see Hit."""

    fault: str
    course: Course
    began_s: float
    victims: frozenset[int]
    due_s: float
    healed_s: float | None = None
    back_s: float | None = None
    blamed_until_s: float | None = None


@dataclass(slots=True)
class Play:
    """Run of a plan.

    met: one entry per fault. stuck: number of times the workers did not become ready, or did not end, in time.
    ended_s: monotonic time at which every frame had an outcome, or the wait for it was given up.
    """

    plan: Plan
    scene: Scene
    ledger: Ledger
    log: Path
    met: list[Met] = field(default_factory=list)
    stuck: int = 0
    ended_s: float = 0.0
    _ongoing: list[_Ongoing] = field(default_factory=list)
    _over: list[_Ongoing] = field(default_factory=list)
    _asked_s: float = 0.0

    def run(self) -> None:
        """Run from the first start of the workers to their end. Raises HarnessError if they do not start."""
        crew, sender = self.scene.crew, self.scene.sender
        if not self._until(lambda: crew.ready or bool(crew.exits), READY_S_MAX) or crew.exits:
            raise HarnessError(
                f"the workers did not become ready before the first fault; see their logs in {self.log.parent}"
            )
        sender.send_more(2 * sender.partitions)  # after that, each worker's metrics show its partitions
        sender.flush()  # otherwise the start would count as a silence of the first fault
        self._await_settled()
        with sender:
            for strike in self.plan.strikes:
                self._burst(strike)
            self._until(lambda: not self._ongoing, READY_S_MAX)
            self._expect(lambda: crew.ready, READY_S_MAX)
            sender.send(sender.left)
            sender.close()
            self._await_settled()
            self.ended_s = time.monotonic()
        crew.begin_stop()
        self._expect(lambda: crew.ended, READY_S_MAX)

    @property
    def hits(self) -> list[Hit]:
        """Return the injected faults for the evaluation of silences."""
        found = []
        for one in [*self._over, *self._ongoing]:
            fault = FAULTS[one.fault]
            back_s = one.back_s or self.ended_s
            blamed_until_s = one.blamed_until_s or back_s + BLAMED_S
            healthy_s = fault.healthy_s_max(self.scene.crew.transactional)
            found.append(Hit(one.fault, one.began_s, back_s, blamed_until_s, one.victims, healthy_s, fault.victims_s))
        return sorted(found, key=lambda hit: hit.began_s)

    def _burst(self, strike: Strike) -> None:
        fault = FAULTS[strike.fault]
        if not fault.possible(self.scene):
            self._note(Met(strike, strike.worker, 0, possible=False))
            self.scene.sender.send(strike.frames)
            return
        self._until(lambda: not fault.needs & self.scene.broken and self._cluster_is_whole(fault.needs), READY_S_MAX)
        self.scene.sender.send(strike.frames)
        ready_s = time.monotonic() + strike.wait_s
        worker, frames = self._find_victim(strike, ready_s)
        if frames:
            self._begin(strike, worker)
        self._note(Met(strike, worker, frames))
        if self.plan.apart:
            if not self._until(self._calm, CALM_S_MAX):
                self.ledger.given_up.update(self.ledger.unsettled(self.scene.watcher.settled))
            for one in self._over:
                one.blamed_until_s = one.blamed_until_s or time.monotonic()
        else:
            self._until(lambda: False, strike.rest_s)

    def _cluster_is_whole(self, needs: frozenset[str]) -> bool:
        return "broker" not in needs or self.scene.kafka.whole

    def _begin(self, strike: Strike, worker: int) -> None:
        fault, began_s = FAULTS[strike.fault], time.monotonic()
        owned = frozenset(self.scene.crew.partitions(worker))
        course = fault.begin(self.scene, Blow(worker, strike.lasts_s, strike.choice))
        self.scene.broken |= fault.needs
        victims = owned if course.victims is None else course.victims
        due_s = time.monotonic() + course.lasts_s
        self._ongoing.append(_Ongoing(strike.fault, course, began_s, victims, due_s))

    def _calm(self) -> bool:
        """Return whether everything has recovered from a fault.

        It has if the fault is healed, each partition has had an outcome since, and only new frames wait. The healing
        itself is not enough: frames of a topic that was just recreated, for example, wait until the workers notice it.
        """
        now_s = time.monotonic()
        healed_s = max((one.healed_s or 0.0 for one in self._over), default=0.0)
        if self._ongoing or now_s < max(self._asked_s + _ASK_S, healed_s + _REACHED_S):
            return False
        self._asked_s = now_s
        waited_s = self.ledger.waited_s(self.scene.watcher.settled, now_s)
        return waited_s < min(_WAITS_S, now_s - healed_s - _REACHED_S) and self.scene.crew.ready

    def _find_victim(self, strike: Strike, ready_s: float) -> tuple[int, int]:
        """Return the planned worker, or any after a second, and its frames in flight; 0 if there are none."""
        crew = self.scene.crew
        others = crew.supervised if FAULTS[strike.fault].supervised else [worker.number for worker in crew.workers]
        top_up_s, deadline_s = ready_s + _TOP_UP_S, ready_s + MEET_S_MAX
        while (now_s := time.monotonic()) < deadline_s:
            self._tick()
            for worker in [strike.worker] if now_s < top_up_s else others:
                if now_s >= ready_s and (frames := crew.inflight_frames(worker)):
                    return worker, frames
            if now_s > top_up_s and not self.ledger.unsettled(self.scene.watcher.settled):
                self.scene.sender.send(_TOP_UP_FRAMES)
        return strike.worker, 0

    def _await_settled(self) -> None:
        """Wait until every frame has an outcome, or none arrived for a long time; the judge reports missing ones."""
        watcher = self.scene.watcher
        seen, since_s = len(watcher.settled), time.monotonic()
        while self.ledger.unsettled(watcher.settled) and time.monotonic() < since_s + SETTLE_S_MAX:
            self._tick()
            if len(watcher.settled) > seen:
                seen, since_s = len(watcher.settled), time.monotonic()

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
        self.scene.crew.look()
        for one in list(self._ongoing):
            self._heal_if_due(one)
        time.sleep(_POLL_S)

    def _heal_if_due(self, one: _Ongoing) -> None:
        if one.back_s is None and one.course.back is not None and one.course.back():
            one.back_s = time.monotonic()
        if time.monotonic() >= one.due_s:
            one.course.heal()
            one.healed_s = time.monotonic()
            one.back_s = one.back_s or one.healed_s
            self.scene.broken -= FAULTS[one.fault].needs
            self._ongoing.remove(one)
            self._over.append(one)

    def _note(self, met: Met) -> None:
        """Write a line that can be compared with the workers' logs."""
        self.met.append(met)
        line = {
            "timestamp": datetime.now(UTC).isoformat(),
            "fault": met.strike.fault,
            "worker": met.worker,
            "inflight_frames": met.frames,
            "sent": len(self.ledger.frames),
            "settled": len(self.scene.watcher.settled),
        }
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
