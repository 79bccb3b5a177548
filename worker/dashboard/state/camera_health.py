"""Health of each camera in one word, from the states that workers publish and from what the page itself sees."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from stripwatch.worker.coils.tracking.bounded_names import shorten
from stripwatch.worker.contracts.line.camera_state import CONDITIONS, CameraState, Condition, HeldCondition
from stripwatch.worker.contracts.timestamps import parse_rfc3339

Kind = Literal["good", "warn", "bad", "unknown"]
_CAMERAS_MAX, _OF_LINE_MAX = 512, 64
_DETAIL_CHARS_MAX, _REASONS_MAX, _STATISTICS_MAX = 40, 3, 5  # each state of the page contains the details
_LIMIT_CHARS_MAX = 240
_SILENT_MS = 30_000
_OUTDATED_INTERVALS = 3
_INTERVAL_S_MAX = 3600
_WARNINGS: frozenset[Condition] = frozenset(
    {"low_contrast", "noisy", "blurred", "novel", "coloured", "misnamed", "drifting"}
)
_NEVER_CHECKED: frozenset[Condition] = frozenset({"blurred", "drifting"})  # without a reference in the bundle
ADVICE: dict[Condition, str] = {
    "silent": "Check the camera, its cable and its power, and whether its sender runs.",
    "rejecting": "See the reasons in the list of rejected frames. The camera, its network or its sender damages them.",
    "frozen": "Restart the sender, then the camera. Nothing has been inspected since then.",
    "dark": "Check the lamp, its power supply, the exposure time and the lens cap.",
    "bright": "Check the exposure time, the gain, and light from elsewhere.",
    "low_contrast": "Look for steam, dust or oil in front of the lens, and for light from elsewhere.",
    "noisy": "Check gain and exposure time: too little light with a high gain is noisy. Check the camera's cable.",
    "blurred": "Clean the lens, focus it, or shorten the exposure. A smoother steel grade can look the same.",
    "untrained_size": "Its region of interest, binning or scale was changed: restore it, or train on such frames.",
    "novel": "See its novel frames in the list of defects: a new kind of defect, another light, or a new product.",
    "coloured": "See its newest pictures: rust, paint, coloured light or another camera? The model sees them in grey.",
    "misnamed": "Correct the name in the settings (cameras.ID): upper and lower case differ.",
    "drifting": "Compare the newest pictures with earlier ones: light, exposure, dirt or another steel grade.",
}
_NO_STATE = (
    "No worker reports the state of this camera. Create the optional topic of camera states with 'stripwatch topics' "
    "and restart the workers; then the page also knows dark, blurred and frozen cameras."
)
_OUTDATED = "The worker of this camera has stopped or cannot reach Kafka: see whether workers run."
_TOO_FEW = "The worker has measured too few frames of this camera to judge its images."
_decode = msgspec.json.Decoder(CameraState).decode


@dataclass(frozen=True, slots=True)
class _Heard:
    """A state, and when the page heard it, by the clock of the page."""

    state: CameraState
    heard_ms: int
    since_ms: int
    conditions: tuple[tuple[Condition, int], ...]

    def is_outdated(self, now_ms: int) -> bool:
        return now_ms - self.heard_ms > 1000 * _OUTDATED_INTERVALS * min(self.state.interval_s, _INTERVAL_S_MAX)


class Health(msgspec.Struct, frozen=True):
    """Health of a camera as the page shows it.

    word: one word or a short phrase. kind: colour. since_ms: since when, in ms since 1970; for an outdated state, when
    it was last heard; null where it is not known. more: further conditions. advice: what to do. facts: names and values
    for the detail view.
    """

    word: str
    kind: Kind
    since_ms: int | None
    advice: str
    more: list[str] = []
    facts: list[tuple[str, str]] = []


class CameraHealth:
    """Newest state of each camera. Thread-safe. At most 512 cameras are kept, those heard most recently."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: OrderedDict[tuple[str, str], _Heard] = OrderedDict()

    def add(self, value: bytes | None, heard_ms: int) -> bool:
        """Add a state. Return False if the value is not one.

        heard_ms: time by the clock of the page; for a state that was read from the past, the time of its record.
        """
        heard = _read(value, heard_ms)
        if heard is None:
            return False
        key = heard.state.line or "", heard.state.camera
        with self._lock:
            if not _is_late(heard, self._heard.get(key)):
                self._heard[key] = heard
                self._heard.move_to_end(key)
                while len(self._heard) > _CAMERAS_MAX:
                    self._heard.popitem(last=False)
        return True

    def annotate(self, lines: list[dict[str, Any]], now_ms: int) -> list[dict[str, Any]]:
        """Add `health` to the cameras of the rows of lines, and the cameras that only a worker knows.

        Each row of a camera has `camera`, `last_ms`, `heard_ms` and `rejecting`; a row of a line has `line` and
        `stopped`.
        """
        with self._lock:
            heard = dict(self._heard)
        for line in lines:
            known = {row["camera"] for row in line["cameras"]}
            further = [
                _row_of(each.state)
                for (name, camera), each in sorted(heard.items())
                if name == line["line"] and camera not in known and not each.is_outdated(now_ms)
            ]
            line["cameras"] += further[: max(0, _OF_LINE_MAX - len(known))]
            for row in line["cameras"]:
                health = _health(row, line["stopped"], heard.get((line["line"], row["camera"])), now_ms)
                row["health"] = msgspec.to_builtins(health)
        return lines


def _read(value: bytes | None, heard_ms: int) -> _Heard | None:
    """Decode a state, with names of bounded length. Return None for anything else, since any client may write."""
    try:
        state = _decode(value or b"")
        conditions = tuple((each.name, parse_rfc3339(each.since)) for each in state.conditions)
        since_ms = parse_rfc3339(state.since)
        parse_rfc3339(state.frame.captured_at)
    except (msgspec.DecodeError, ValueError):
        return None
    state = msgspec.structs.replace(
        state,
        camera=shorten(state.camera),
        line=shorten(state.line) if state.line else None,
        conditions=[_shortened(each) for each in state.conditions[: len(CONDITIONS)]],
        unchecked=state.unchecked[: len(CONDITIONS)],
        worker=_brief(state.worker),
        rejects={_brief(reason): count for reason, count in list(state.rejects.items())[:20]},
        statistics={_brief(name): mean for name, mean in list(state.statistics.items())[:_STATISTICS_MAX]},
        distances={_brief(name): sigmas for name, sigmas in list(state.distances.items())[:_STATISTICS_MAX]},
        model=msgspec.structs.replace(state.model, name=_brief(state.model.name), version=_brief(state.model.version)),
    )
    return _Heard(state, heard_ms, since_ms, conditions[: len(CONDITIONS)])


def _shortened(condition: HeldCondition) -> HeldCondition:
    detail = condition.detail and _brief(condition.detail, _LIMIT_CHARS_MAX)
    return msgspec.structs.replace(condition, detail=detail)


def _brief(text: str, chars_max: int = _DETAIL_CHARS_MAX) -> str:
    """Return the beginning of a text from outside, in printable characters, which are short in JSON."""
    return "".join(char if char.isprintable() else "?" for char in text[:chars_max])


def _is_late(heard: _Heard, known: _Heard | None) -> bool:
    """Return whether a state was written by a worker that no longer holds the camera's partition.

    Offsets only grow within a partition, so the newer owner has seen the higher one.
    """
    if known is None or known.state.worker == heard.state.worker or known.is_outdated(heard.heard_ms):
        return False
    here, there = heard.state.frame, known.state.frame
    return (here.topic, here.partition) == (there.topic, there.partition) and here.offset < there.offset


def _row_of(state: CameraState) -> dict[str, Any]:
    last_ms = parse_rfc3339(state.frame.captured_at)
    return {
        "camera": state.camera,
        "side": None,
        "defects": 0,
        "last_ms": last_ms,
        "heard_ms": 0,
        "unsure": 0,
        "novel": 0,
        "flags": {},
        "rejecting": False,
    }


def _health(row: dict[str, Any], stopped: bool, heard: _Heard | None, now_ms: int) -> Health:
    if heard is None:
        return _own_view(row, stopped, now_ms)
    facts = _facts(heard.state)
    if heard.is_outdated(now_ms):
        return Health("unknown", "unknown", heard.heard_ms, _OUTDATED, facts=facts)
    if not heard.conditions:
        if not heard.state.statistics:
            return Health("checking", "unknown", heard.since_ms, _TOO_FEW, facts=facts)
        return Health("ok", "good", heard.since_ms, _limits(heard.state), facts=facts)
    (worst, since_ms), *others = heard.conditions
    if worst == "silent" and stopped:
        return Health("line stopped", "unknown", since_ms, "No camera of the line sends frames.", facts=facts)
    kind: Kind = "warn" if worst in _WARNINGS else "bad"
    return Health(_word(worst), kind, since_ms, ADVICE[worst], [_word(name) for name, _ in others], facts)


def _own_view(row: dict[str, Any], stopped: bool, now_ms: int) -> Health:
    """Return what the page itself can tell. It never says that a camera is ok, because it sees no images."""
    if stopped:
        return Health("line stopped", "unknown", row["last_ms"], "No camera of the line sends frames.")
    if now_ms - row["heard_ms"] > _SILENT_MS:
        return Health("silent", "bad", row["last_ms"], ADVICE["silent"])
    if row["rejecting"]:
        return Health("rejecting", "bad", None, ADVICE["rejecting"])
    return Health("not known", "unknown", None, _NO_STATE)


def _word(condition: Condition) -> str:
    return condition.replace("_", " ")


def _limits(state: CameraState) -> str:
    missing = [_word(name) for name in state.unchecked if name in _NEVER_CHECKED]
    if not missing:
        return "No known fault."
    return f"No known fault. Not checked, because the bundle has no reference: {', '.join(missing)}."


def _facts(state: CameraState) -> list[tuple[str, str]]:
    rejected = sum(state.rejects.values())
    frequent = sorted(state.rejects.items(), key=lambda item: -item[1])
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in frequent[:_REASONS_MAX])
    reasons += f" and {len(frequent) - _REASONS_MAX} more reasons" if len(frequent) > _REASONS_MAX else ""
    facts = [(f"Frames in {state.window_s:g} s", f"{state.frames:,}")]
    facts.append((f"Rejected in {state.window_s:g} s", f"{rejected:,} ({reasons})" if rejected else "0"))
    if novelty := state.novelty:
        expected = f"{100 * novelty.expected_share:.3g} % expected"
        facts.append(
            (f"Novel in {novelty.window_s:g} s", f"{novelty.novel:,} of {novelty.frames:,} frames ({expected})")
        )
    if colour := state.colour:
        largest = f", up to {colour.largest} of 255" if colour.largest else ""
        facts.append(("With colour", f"{colour.coloured} of {colour.checked} checked frames{largest}"))
    for name, mean in state.statistics.items():
        distance = state.distances.get(name)
        usual = "" if distance is None else f" ({distance:+.1f} standard deviations from training)"
        facts.append((name.capitalize(), f"{mean:.3g}{usual}"))
    facts += [(_word(each.name).capitalize(), each.detail or CONDITIONS[each.name]) for each in state.conditions]
    return [*facts, ("Model", f"{state.model.name} {state.model.version}"), ("Worker", state.worker)]
