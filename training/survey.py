"""What a data set holds, before anybody trains on it: balance, sizes, copies, files that cannot be read."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stripwatch.export.files import make_folder, read_whole, write_whole
from stripwatch.export.pictures import Tile, decode_tile, draw_sheet
from stripwatch.training.datasets import CLEAN, DataSet, read_dataset
from stripwatch.training.digests import FrameDigest, try_digests
from stripwatch.training.groups import chain
from stripwatch.training.samples import Sample
from stripwatch.training.similar import find_similar
from stripwatch.worker.console import new_progress
from stripwatch.worker.decode import DecodeSpec
from stripwatch.worker.errors import DataError

_ANY_SIZE = DecodeSpec(256, 256)  # copies are compared at this size
_TILES_MAX = 24


@dataclass(frozen=True, slots=True)
class Survey:
    """samples: those that can be read. sizes: "WIDTHxHEIGHT" to images. Pairs and unreadable name files."""

    dataset: DataSet
    samples: list[Sample]
    sizes: dict[str, int]
    same: list[tuple[str, str]]
    similar: list[tuple[str, str]]
    unreadable: list[str]

    @property
    def balance(self) -> dict[str, int]:
        """Images a label, those without one as "clean"; an image with two labels counts twice."""
        counts = Counter(label for sample in self.samples for label in sample.labels or (CLEAN,))
        return dict(sorted(counts.items()))

    @property
    def disputed(self) -> list[tuple[str, str]]:
        """Copies whose labels differ."""
        labels = {sample.name: sample.labels for sample in self.samples}
        return [(a, b) for a, b in self.same + self.similar if labels[a] != labels[b]]


def survey(root: Path, layout: str) -> Survey:
    """Read every image once. Raises what read_dataset raises; a file that cannot be read is part of the result."""
    dataset = read_dataset(root, layout)
    with new_progress() as progress:
        task = progress.add_task("reading", total=len(dataset.samples))
        found = list(try_digests(dataset, _ANY_SIZE, lambda: progress.advance(task)))
    unreadable = [str(digest) for digest in found if isinstance(digest, DataError)]
    read = [
        (sample, digest)
        for sample, digest in zip(dataset.samples, found, strict=True)
        if not isinstance(digest, DataError)
    ]
    if not read:
        raise DataError(f"{root}: not one image can be read; the first: {unreadable[0]}")
    samples = [sample for sample, _ in read]
    digests = [digest for _, digest in read]
    same, similar = _pairs(samples, digests)
    sizes = Counter(f"{digest.width_px}x{digest.height_px}" for digest in digests)
    return Survey(dataset, samples, dict(sizes.most_common()), same, similar, unreadable)


def summarise(found: Survey) -> dict[str, Any]:
    """One JSON object; the pairs and files themselves stand in survey.json."""
    return {
        "data": str(found.dataset.root),
        "layout": found.dataset.layout,
        "images": len(found.samples),
        "classes": found.balance,
        "several_labels": sum(len(sample.labels) > 1 for sample in found.samples),
        "coils": len({sample.coil for sample in found.samples} - {None}),
        "sizes": found.sizes,
        "same": len(found.same),
        "similar": len(found.similar),
        "disputed": len(found.disputed),
        "unreadable": len(found.unreadable),
    }


def write_survey(found: Survey, out: Path) -> None:
    """survey.json, and contact-NUMBER-CLASS.png for each class. Raises InputError when that fails."""
    make_folder(out)
    for number, label in enumerate(found.balance, 1):
        members = [sample for sample in found.samples if label in (sample.labels or (CLEAN,))]
        name = re.sub(r"[^\w.-]", "_", label)
        write_whole(out / f"contact-{number}-{name}.png", _contact_sheet(found, label, members))
    lists = {
        "same_files": found.same,
        "similar_files": found.similar,
        "disputed_files": found.disputed,
        "unreadable_files": found.unreadable,
    }
    write_whole(out / "survey.json", msgspec.json.format(msgspec.json.encode(summarise(found) | lists)))


def _pairs(samples: list[Sample], digests: list[FrameDigest]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs with the same pixels, and those that are only nearly the same."""
    same = chain([digest.pixels_sha256 for digest in digests])
    found = find_similar([digest.thumbnail for digest in digests])
    similar = [(a, b) for a, b in found if digests[a].pixels_sha256 != digests[b].pixels_sha256]

    def names(pairs: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(samples[a].name, samples[b].name) for a, b in pairs]

    return names(same), names(similar)


def _contact_sheet(found: Survey, label: str, members: list[Sample]) -> bytes:
    picked = np.unique(np.linspace(0, len(members) - 1, min(len(members), _TILES_MAX)).round().astype(int))
    tiles = [
        Tile(decode_tile(read_whole(found.dataset.root / members[at].name)), Path(members[at].name).name)
        for at in picked
    ]
    return draw_sheet(f"{label}: {len(tiles)} of {len(members)} images", tiles)
