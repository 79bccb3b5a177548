"""Random changes of training frames: the kinds of the stress test, at random strengths, one or two at a time.

A head that is fitted on frames changed in this way withstands the same kinds of changes on the line. The changes act in
the order in which they occur there: position of the camera, light, dust, focus, noise of the sensor, compression.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from stripwatch.training.stress.changed_frames import decode_changed, decode_source
from stripwatch.training.stress.changes import CHANGES, Change
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

RANDOM_CHANGES_VERSION = 1  # names cached features of changed frames; raise it when a change differs
_CHANGES_MAX = 2
_MIRRORED_SHARE = 0.5
_BY_NAME = {change.name: change for change in CHANGES}


@dataclass(frozen=True, slots=True)
class _Strengths:
    """A change of the stress test and the range of its strengths. evenly: on a linear scale, else a logarithmic one."""

    change: str
    least: float
    most: float
    evenly: bool = True

    def draw(self, random: np.random.Generator) -> "DrawnChange":
        if self.evenly:
            strength = random.uniform(self.least, self.most)
        else:
            strength = math.exp(random.uniform(math.log(self.least), math.log(self.most)))
        return DrawnChange(_BY_NAME[self.change], float(strength))


@dataclass(frozen=True, slots=True)
class DrawnChange:
    """A change with its strength."""

    change: Change
    strength: float


# Each kind is a list of alternatives, in the order in which the kinds act. A scale above 1 brightens or enlarges.
_KINDS = (
    (_Strengths("closer camera", 0.75, 1.35, evenly=False),),
    (
        _Strengths("darker", 0.4, 1.7, evenly=False),
        _Strengths("less contrast", 0.4, 1.2),
        _Strengths("higher gamma", 0.4, 2.5, evenly=False),
        _Strengths("shading across the strip", 0.1, 0.6),
    ),
    (_Strengths("dust", 0.001, 0.01, evenly=False),),
    (_Strengths("out of focus", 0.4, 2.2), _Strengths("motion blur", 3, 9)),
    (_Strengths("noise", 1, 18),),
    (_Strengths("JPEG compression", 15, 80),),
)
KINDS = len(_KINDS)


@dataclass(frozen=True, slots=True)
class RandomChanges:
    """The changes of one copy of a frame.

    mirrored: names of the changes of orientation. kind: number of the first kind of change. drawn: in the order in
    which they act. seed: of the changes that are random themselves, such as noise.
    """

    mirrored: tuple[str, ...]
    kind: int
    drawn: tuple[DrawnChange, ...]
    seed: int

    @classmethod
    def of(cls, name: str, copy: int) -> "RandomChanges":
        """Draw the changes of a copy of the frame with this name; they are the same in every fit."""
        digest = hashlib.sha256(f"{name}\0{copy}".encode(errors="surrogateescape")).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8]))
        turns = ("mirrored along the strip", "mirrored across the strip")
        mirrored = tuple(turn for turn in turns if random.random() < _MIRRORED_SHARE)
        count = int(random.integers(1, _CHANGES_MAX + 1))
        kinds = sorted(random.choice(len(_KINDS), count, replace=False).tolist())
        drawn = tuple(_KINDS[kind][int(random.integers(len(_KINDS[kind])))].draw(random) for kind in kinds)
        return cls(mirrored, kinds[0], drawn, int(random.integers(2**32)))

    def apply(self, pixels: Pixels) -> Pixels:
        """Return the changed frame, uint8 [h, w, c]. pixels: the frame as the camera took it."""
        random = np.random.default_rng(self.seed)
        for turn in self.mirrored:
            pixels = _BY_NAME[turn].apply(pixels, 1, random)
        for each in self.drawn:
            pixels = each.change.apply(pixels, each.strength, random)
        return pixels


def changed_copy(encoded: bytes, spec: DecodeSpec, name: str, copy: int) -> Pixels:
    """Return a changed copy of a frame as the model receives it, uint8 of shape spec.shape. name: of the frame."""
    return decode_changed(RandomChanges.of(name, copy).apply(decode_source(encoded, spec)), spec)
