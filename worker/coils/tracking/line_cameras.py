"""The cameras that are expected to see each coil of a line, so that a silent camera is noticed."""

import itertools
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stripwatch.worker.config.plant_sections import Camera

REMEMBERED_COILS = 100  # a camera that was removed is reported for this many coils, then forgotten
_LINES_MAX, _CAMERAS_MAX = 1_000, 256


@dataclass(slots=True)
class _Line:
    coils: int = 0
    last_seen: dict[str, int] = field(default_factory=dict)  # by camera, the number of the coil
    newest: str | None = None  # the newest coil; of_newest: the cameras that have seen a part of it
    of_newest: set[str] = field(default_factory=set)


class LineCameras:
    """Knows the cameras of each line: those named in the settings, or else those that saw its earlier coils.

    configured: the cameras named in the settings, by line.
    """

    def __init__(self, configured: Mapping[str, Collection[str]]) -> None:
        self._configured = configured
        self._lines: OrderedDict[str | None, _Line] = OrderedDict()

    def expected(self, line: str | None, coil: str | None) -> Collection[str]:
        """Return the cameras that are expected to see this part of a coil.

        A camera that has seen another part of the coil is not expected again: after a stop near the end of the coil,
        the first cameras of the line have already seen all of it.
        """
        known = self._lines.get(line, _Line())
        named = self._configured.get(line) if line is not None else None
        seen = known.of_newest if coil is not None and coil == known.newest else ()
        return [camera for camera in (known.last_seen if named is None else named) if camera not in seen]

    def saw(self, line: str | None, coil: str | None, cameras: Collection[str]) -> None:
        """Record that a part of a coil has ended, and that these cameras sent frames of it."""
        known = self._lines.setdefault(line, _Line())
        self._lines.move_to_end(line)
        if coil is None or coil != known.newest:
            known.coils += 1
            known.newest, known.of_newest = coil, set()
        known.of_newest.update(itertools.islice(cameras, _CAMERAS_MAX))
        oldest = known.coils - REMEMBERED_COILS
        known.last_seen |= dict.fromkeys(cameras, known.coils)
        newest_first = sorted(known.last_seen.items(), key=lambda entry: -entry[1])[:_CAMERAS_MAX]
        known.last_seen = {camera: coil for camera, coil in newest_first if coil > oldest}
        while len(self._lines) > _LINES_MAX:
            self._lines.popitem(last=False)


def configured_cameras(cameras: Mapping[str, Camera]) -> dict[str, list[str]]:
    """Return the cameras of each line according to the settings `cameras.ID.line`."""
    lines = sorted({camera.line for camera in cameras.values() if camera.line})
    return {line: sorted(name for name, camera in cameras.items() if camera.line == line) for line in lines}
