"""The needs of a line as people write them: "12 cameras 30 fps 256x1600"."""

import re
from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError

# Share of a machine's capacity that a plan uses. The rest lets a worker catch up after an interruption, and keeps the
# queues, and with them the latency, short.
LOAD_MAX = 0.7
_EXAMPLE = "such as '12 cameras 30 fps 256x1600'"
_RATE = r"(?:fps|hz|(?:frames?|images?)\s*(?:/\s*s(?:ec(?:ond)?)?|(?:per|a)\s+second))"
_PARTS = {
    "number of cameras": (
        # "12 cameras", or "12 x 30 fps", in which the rate follows
        rf"(?<![\d.])(\d{{1,4}})\s*(?:(?:cameras?|cams?)\b|[x\u00d7*](?=\s*[\d.]+\s*{_RATE}\b))",
        "12 cameras",
    ),
    "frame rate": (rf"(?<![\d.])(\d{{1,4}}(?:\.\d+)?)\s*{_RATE}\b", "30 fps"),
    "frame size": (r"(?<![\d.])(\d{1,5})\s*[x\u00d7*]\s*(\d{1,5})(?:\s*(?:px|pixels?))?\b", "256x1600"),
}
_FILLERS = {"at", "with", "and", "of", "each", "per", "camera", "frames", "images", "a", "by", "for", "size"}


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """The needs of a line: number of cameras, frames per second per camera, and frame size (height x width in px)."""

    cameras: int
    rate_fps: float
    shape: str

    @property
    def fps(self) -> float:
        return self.cameras * self.rate_fps


def parse_camera_plan(text: str, option: str) -> CameraPlan:
    """Parse a plan such as "12 cameras 30 fps 256x1600", in any order and with filler words.

    option: that the text was given with, for messages. Raises SettingsError, which names the part that is missing,
    repeated, zero or not understood.
    """
    rest, found = text.lower(), dict[str, re.Match[str]]()
    for name, (pattern, example) in _PARTS.items():
        matches = list(re.finditer(pattern, rest))
        if len(matches) != 1:
            how = f"more than one {name}" if matches else f"no {name}, such as '{example}'"
            raise SettingsError(f"{option} {text!r} states {how}; write a plan {_EXAMPLE}")
        found[name] = matches[0]
        rest = rest[: matches[0].start()] + " " + rest[matches[0].end() :]
    if unknown := [word for word in re.split(r"[\s,;@:]+", rest) if word and word not in _FILLERS]:
        what = f"{' '.join(unknown)!r}, which is not understood"
        raise SettingsError(f"{option} {text!r} has {what}; write a plan {_EXAMPLE}")
    for name, match in found.items():
        if not all(float(number) for number in match.groups()):
            raise SettingsError(f"{option} {text!r}: the {name} must be above 0")
    cameras, rate, size = found.values()
    return CameraPlan(int(cameras[1]), float(rate[1]), f"{int(size[1])}x{int(size[2])}")
