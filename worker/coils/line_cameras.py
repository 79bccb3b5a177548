"""Which cameras should see a coil of a line, so that one which sends nothing is missed."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from stripwatch.worker.config.sections import Camera

REMEMBERED_COILS = 100  # a camera that was taken away is reported in as many coils, then forgotten
_LINES_MAX, _CAMERAS_MAX = 1_000, 256


@dataclass(slots=True)
class _Line:
    coils: int = 0
    last_seen: dict[str, int] = field(default_factory=dict)  # by camera, the number of the coil


class LineCameras:
    """The cameras that the settings name for a line; where they name none, those that saw its coils before.

    configured: by line.
    """

    def __init__(self, configured: Mapping[str, Collection[str]]) -> None:
        self._configured = configured
        self._lines: OrderedDict[str | None, _Line] = OrderedDict()

    def expected(self, line: str | None) -> Collection[str]:
        """Those that should see the next coil."""
        if line is not None and line in self._configured:
            return self._configured[line]
        known = self._lines.get(line)
        return list(known.last_seen) if known else []

    def saw(self, line: str | None, cameras: Iterable[str]) -> None:
        """A coil of the line has ended, and these cameras sent frames of it."""
        known = self._lines.setdefault(line, _Line())
        self._lines.move_to_end(line)
        known.coils += 1
        oldest = known.coils - REMEMBERED_COILS
        known.last_seen |= dict.fromkeys(cameras, known.coils)
        newest_first = sorted(known.last_seen.items(), key=lambda entry: -entry[1])[:_CAMERAS_MAX]
        known.last_seen = {camera: coil for camera, coil in newest_first if coil > oldest}
        while len(self._lines) > _LINES_MAX:
            self._lines.popitem(last=False)


def configured_cameras(cameras: Mapping[str, Camera]) -> dict[str, list[str]]:
    """By line, the cameras that the settings `cameras.ID.line` name for it."""
    lines = sorted({camera.line for camera in cameras.values() if camera.line})
    return {line: sorted(name for name, camera in cameras.items() if camera.line == line) for line in lines}
