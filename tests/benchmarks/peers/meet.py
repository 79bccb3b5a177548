"""Rounds in which the contenders take turns: a short sweep finds each its best setting, then all run in every round.

A contender that fails is named with the reason, and is left out from then on; the others continue.
"""

import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from stripwatch.worker.common.console import say
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.lap import Lap, LapError, Track, race
from tests.benchmarks.peers.packages import PackagesUnavailableError, peers_python
from tests.benchmarks.peers.task import Setting

FAILURES_MAX = 2


@dataclass(frozen=True, slots=True)
class Rounds:
    """all: of the contenders that goals compare. others: of the rest, at the beginning. sweep_count: frames."""

    all: int
    others: int
    sweep_count: int


class Entry(msgspec.Struct):
    """A contender on one track. tried: frames a second by setting, or why not. laps: by round, None: did not run.

    reason: why it failed last. out: it runs no more.
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
    """The interpreter that has the peers' packages, and who cannot take part without it, and why."""
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
    """after_each: called after each round, when what it measures is as near to the round's laps as can be."""
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
    """Those that a goal names, and the framework that did best in the sweep."""
    frameworks = [entry for contender, entry in pairs if contender.framework]
    best = max(frameworks, key=lambda entry: entry.best_tried, default=None)
    return {contender.name for contender, _ in pairs if contender.compared} | ({best.name} if best else set())


def _sweep(contender: Contender, entry: Entry, track: Track, count: int) -> None:
    """The fastest setting; one that is alone needs no trial."""
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
    """What it did, or why it did not."""
    try:
        lap = race(contender, setting, track, count)
    except (LapError, subprocess.SubprocessError, OSError) as error:
        say(f"{track.name}, {contender.name} ({setting}): failed: {str(error)[:300]}")
        return str(error)[:300]
    say(f"{track.name}, {contender.name} ({setting}): {lap.frames_per_second:.0f} frames/s")
    return lap


def ratios(over: Entry, under: Entry) -> list[float]:
    """Round by round, where both ran."""
    return [a.frames_per_second / b.frames_per_second for a, b in zip(over.laps, under.laps, strict=True) if a and b]
