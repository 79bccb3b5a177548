"""Rounds in which the contenders take turns: a short sweep finds each its best setting, then all run in every round.

A contender that fails is named with the reason, and is left out from then on; the others go on.
"""

import statistics
import subprocess
from collections.abc import Callable, Sequence

import msgspec

from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.lap import Lap, LapFailed, Track, race
from tests.benchmarks.peers.packages import PackagesAbsent, peers_python
from tests.benchmarks.peers.task import Setting
from worker.console import say

FAILURES_MAX = 2


class Entry(msgspec.Struct):
    """A contender on one track. tried: frames a second by setting, or why not. laps: by round, None where it failed."""

    name: str
    what: str
    framework: bool
    setting: Setting | None = None
    tried: dict[str, float | str] = {}
    laps: list[Lap | None] = []
    reason: str | None = None

    @property
    def rates(self) -> list[float]:
        return [lap.frames_per_second for lap in self.laps if lap]

    @property
    def median(self) -> float | None:
        return statistics.median(self.rates) if self.rates else None

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
    except PackagesAbsent as error:
        say(str(error))
        return "", {contender.name: str(error) for contender in contenders if contender.own_packages}


def meet(
    contenders: Sequence[Contender],
    track: Track,
    rounds: int,
    sweep_count: int,
    absent: dict[str, str],
    after_each: Callable[[list[Entry]], None] = lambda _: None,
) -> list[Entry]:
    """after_each: called after each round, when what it measures is as near to the round's laps as can be."""
    entries = [Entry(c.name, c.what, c.framework, reason=absent.get(c.name)) for c in contenders]
    for contender, entry in zip(contenders, entries, strict=True):
        if entry.reason is None:
            _sweep(contender, entry, track, sweep_count)
    for number in range(rounds):
        pairs = list(zip(contenders, entries, strict=True))
        for contender, entry in pairs if number % 2 == 0 else reversed(pairs):
            _take_turn(contender, entry, track)
        after_each(entries)
    return entries


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
        entry.reason = str(next(iter(entry.tried.values())))


def _take_turn(contender: Contender, entry: Entry, track: Track) -> None:
    if entry.setting is None or entry.reason is not None:
        entry.laps.append(None)
        return
    found = _try(contender, entry.setting, track, track.count)
    entry.laps.append(found if isinstance(found, Lap) else None)
    if isinstance(found, str) and entry.laps.count(None) >= FAILURES_MAX:
        entry.reason = found


def _try(contender: Contender, setting: Setting, track: Track, count: int) -> Lap | str:
    """What it did, or why it did not."""
    try:
        lap = race(contender, setting, track, count)
    except (LapFailed, subprocess.SubprocessError, OSError) as error:
        say(f"{track.name}, {contender.name} ({setting}): failed: {str(error)[:300]}")
        return str(error)[:300]
    say(f"{track.name}, {contender.name} ({setting}): {lap.frames_per_second:.0f} frames/s")
    return lap


def ratios(over: Entry, under: Entry) -> list[float]:
    """Round by round, where both ran."""
    return [a.frames_per_second / b.frames_per_second for a, b in zip(over.laps, under.laps, strict=True) if a and b]
