"""Run rounds in which the contenders take turns: first find each one's best setting, then run all in every round.

A contender that fails is reported with the reason and excluded from then on; the others continue.
"""

import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from stripwatch.worker.common.terminal.console import say
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.lap import Lap, LapError, Track, race
from tests.benchmarks.peers.packages import PackagesUnavailableError, peers_python
from tests.benchmarks.peers.task import Setting

FAILURES_MAX = 2


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds to run. all: for contenders that goals compare. others: for the rest. sweep_count: frames per trial."""

    all: int
    others: int
    sweep_count: int


class Entry(msgspec.Struct):
    """A contender on one track.

    tried: frames per second by setting, or the reason of the failure. laps: by round; None if it did not run.
    reason: its last failure. out: it does not run any more.
    """

    name: str
    what: str
    framework: bool
    setting: Setting | None = None
    tried: dict[str, float | str] = {}
    laps: list[Lap | None] = []
    failures: int = 0
    reason: str | None = None
    out: bool = False

    @property
    def rates(self) -> list[float]:
        return [lap.frames_per_second for lap in self.laps if lap]

    @property
    def median(self) -> float | None:
        return statistics.median(self.rates) if self.rates else None

    @property
    def best_tried(self) -> float:
        return max((rate for rate in self.tried.values() if isinstance(rate, float)), default=0.0)

    @property
    def cpu_ms(self) -> float | None:
        found = [1000 * lap.cpu_s_per_frame for lap in self.laps if lap and lap.cpu_s_per_frame]
        return statistics.median(found) if found else None


def enter(contenders: Sequence[Contender]) -> tuple[str, dict[str, str]]:
    """Return the interpreter with the peers' packages, and the reason for each contender that cannot run without it."""
    if not any(contender.own_packages for contender in contenders):
        return "", {}
    try:
        return peers_python(), {}
    except PackagesUnavailableError as error:
        say(str(error))
        return "", {contender.name: str(error) for contender in contenders if contender.own_packages}


def meet(
    contenders: Sequence[Contender],
    track: Track,
    rounds: Rounds,
    absent: dict[str, str],
    after_each: Callable[[list[Entry]], None] = lambda _: None,
) -> list[Entry]:
    """Run all rounds. after_each: called right after each round, so that it measures under the same conditions."""
    entries = [Entry(c.name, c.what, c.framework, reason=absent.get(c.name), out=c.name in absent) for c in contenders]
    pairs = list(zip(contenders, entries, strict=True))
    for contender, entry in pairs:
        if not entry.out:
            _sweep(contender, entry, track, rounds.sweep_count)
    compared = _compared(pairs)
    for number in range(rounds.all):
        for contender, entry in pairs if number % 2 == 0 else reversed(pairs):
            runs = number < rounds.others or entry.name in compared
            entry.laps.append(_take_turn(contender, entry, track) if runs else None)
        after_each(entries)
    return entries


def _compared(pairs: Sequence[tuple[Contender, Entry]]) -> set[str]:
    """Return the contenders that a goal refers to, and the best framework of the sweep."""
    frameworks = [entry for contender, entry in pairs if contender.framework]
    best = max(frameworks, key=lambda entry: entry.best_tried, default=None)
    return {contender.name for contender, _ in pairs if contender.compared} | ({best.name} if best else set())


def _sweep(contender: Contender, entry: Entry, track: Track, count: int) -> None:
    """Return the fastest setting; a single one needs no trial."""
    if len(contender.settings) == 1:
        entry.setting = contender.settings[0]
        return
    best = 0.0
    for setting in contender.settings:
        found = _try(contender, setting, track, count)
        entry.tried[str(setting)] = round(found.frames_per_second, 1) if isinstance(found, Lap) else found
        if isinstance(found, Lap) and found.frames_per_second > best:
            best, entry.setting = found.frames_per_second, setting
    if entry.setting is None:
        entry.reason, entry.out = str(next(iter(entry.tried.values()))), True


def _take_turn(contender: Contender, entry: Entry, track: Track) -> Lap | None:
    if entry.setting is None or entry.out:
        return None
    found = _try(contender, entry.setting, track, track.count)
    if isinstance(found, Lap):
        return found
    entry.failures, entry.reason = entry.failures + 1, found
    entry.out = entry.failures >= FAILURES_MAX
    return None


def _try(contender: Contender, setting: Setting, track: Track, count: int) -> Lap | str:
    """Run one lap; return its result, or the reason of its failure."""
    try:
        lap = race(contender, setting, track, count)
    except (LapError, subprocess.SubprocessError, OSError) as error:
        say(f"{track.name}, {contender.name} ({setting}): failed: {str(error)[:300]}")
        return str(error)[:300]
    say(f"{track.name}, {contender.name} ({setting}): {lap.frames_per_second:.0f} frames/s")
    return lap


def ratios(over: Entry, under: Entry) -> list[float]:
    """Return the ratio of each round in which both ran."""
    return [a.frames_per_second / b.frames_per_second for a, b in zip(over.laps, under.laps, strict=True) if a and b]
