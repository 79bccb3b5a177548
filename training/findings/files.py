"""Checks of properties of files that a model could learn instead of the defects: size, format, colour, bit depth."""

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import PurePosixPath

from scipy.stats import fisher_exact

from stripwatch.training.datasets.dataset import UNUSED_ANNOTATIONS
from stripwatch.training.datasets.manifest import manifest_notes
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.digests import FrameDigest
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.training.preparation.sample_depths import depth_notes
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.images.decode_spec import DecodeSpec

_DIFFERENCE_MIN = 0.25
_CHANCE_MAX = 0.001
_ASPECT_FACTOR = 1.25
# Images that training and the worker do not read.
_OTHER_IMAGES = frozenset(
    {".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".pgm", ".ppm", ".pnm", ".raw", ".dng", ".psd", ".svg", ".tga"}
)
_CONVERT = "save images of other types as RGB or grey PNG files"
_ANY_DEPTH = DecodeSpec(1, 1)


def check_files(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about sizes, formats, colour, bit depth and orientation, and whether they depend on the class."""
    yield from _skipped(data)
    if data.frames.dataset.layout == "manifest":
        for code, what, names in manifest_notes(data.frames.dataset.root):
            yield make_finding(code, what, names)
    digests = data.frames.digests
    if not digests:
        return
    yield from _sizes(data, digests)
    yield from _depths(data, digests)
    facts = [digest.facts for digest in digests]
    if all(each is not None for each in facts):
        yield from _formats(data, [(each.format, each.jpeg_quality) for each in facts if each is not None])
        yield from _colours(data, digests)
        yield from _rotations(data, [each.orientation for each in facts if each is not None])


def _skipped(data: CheckedData) -> Iterator[Finding]:
    dataset = data.frames.dataset
    others = [each for each in dataset.skipped if each.why != UNUSED_ANNOTATIONS]
    for code, found in (("skipped-files", others), ("unused-images", dataset.unused)):
        if found:
            reasons = Counter(each.why for each in found).most_common()
            text = ", ".join(f"{why}: {count:,}" for why, count in reasons)
            what = f"{counted(len(found), 'file or folder', 'files or folders')} not used in {path_text(dataset.root)}"
            names = [each.name for each in found]
            advice = _CONVERT if any(PurePosixPath(name).suffix.lower() in _OTHER_IMAGES for name in names) else None
            yield make_finding(code, f"{what} ({text}): {some(names)}", names, remedy=advice)
    names = [each.name for each in dataset.skipped if each.why == UNUSED_ANNOTATIONS]
    if names:
        path = dataset.root / PurePosixPath(os.path.commonpath(names) if len(names) > 1 else names[0])
        files = counted(len(names), "annotation file is", "annotation files are")
        advice = f"pass --boxes {path_text(path)} to check the annotations, and to fit --head dense to train on them"
        yield make_finding("unused-annotations", f"{files} not used: {some(names)}", names, remedy=advice)


def _sizes(data: CheckedData, digests: Sequence[FrameDigest]) -> Iterator[Finding]:
    sizes = [f"{digest.width_px}x{digest.height_px}" for digest in digests]
    yield from _by_class(data, "sizes-by-class", "image size", sizes)
    counts = Counter(sizes)
    if len(counts) > 1:
        what = f"images have {len(counts):,} sizes: {_shares(counts)}"
        yield make_finding("mixed-sizes", what, _unusual(data, sizes))
    ratios = [digest.width_px / digest.height_px for digest in digests]
    if max(ratios) > _ASPECT_FACTOR * min(ratios):
        what = f"the aspect ratios of the images, width to height, differ from {min(ratios):.2f} to {max(ratios):.2f}"
        yield make_finding("mixed-aspect-ratios", what, _unusual(data, [round(ratio, 2) for ratio in ratios]))


def _depths(data: CheckedData, digests: Sequence[FrameDigest]) -> Iterator[Finding]:
    depths = [digest.depth for digest in digests]
    bits = [f"{depth.declared or depth.used if depth.stored > 8 else 8} bits" for depth in depths]
    yield from _by_class(data, "bit-depth-by-class", "bit depth", bits)
    for note in depth_notes([sample.name for sample in data.frames.samples], depths, _ANY_DEPTH):
        yield make_finding("mixed-bit-depths", note.removeprefix("note: "), _unusual(data, bits))


def _formats(data: CheckedData, found: Sequence[tuple[str, int | None]]) -> Iterator[Finding]:
    names = [f"{kind} of quality {quality}" if quality else kind for kind, quality in found]
    yield from _by_class(data, "formats-by-class", "file format", names)
    kinds = Counter(kind for kind, _ in found)
    if len(kinds) > 1:
        what = f"images have several file formats: {_shares(kinds)}"
        yield make_finding("mixed-formats", what, _unusual(data, [kind for kind, _ in found]))


def _colours(data: CheckedData, digests: Sequence[FrameDigest]) -> Iterator[Finding]:
    colours = [digest.facts.has_colour if digest.facts else None for digest in digests]
    if None in colours:  # decoded to grey, so the model does not see colour
        return
    kinds = ["colour" if each else "grey" for each in colours]
    yield from _by_class(data, "colour-by-class", "colour", kinds)
    counts = Counter(kinds)
    if len(counts) > 1:
        yield make_finding("mixed-colour", f"images are {_shares(counts)}", _unusual(data, kinds))
    elif "grey" in counts and all(digest.facts and digest.facts.channels >= 3 for digest in digests):
        yield make_finding("grey-in-colour", "all images are grey, but have three colour channels")


def _rotations(data: CheckedData, orientations: Sequence[int]) -> Iterator[Finding]:
    counts = Counter(orientations)
    if set(counts) - {1}:
        rotated = [at for at, each in enumerate(orientations) if each != 1]
        names = data.names(rotated)
        what = f"{len(rotated):,} of {counted(len(orientations), 'image')} have an EXIF rotation, which is ignored"
        yield make_finding("exif-rotation", f"{what}: {some(names)}", names)


def _by_class(data: CheckedData, code: str, what: str, values: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding if a value is much more frequent in a class than in the other classes.

    The shares must differ by a quarter, and by more than chance: the p-value of Fisher's exact test is below 0.001
    (Fisher 1922, https://doi.org/10.2307/2340521).
    """
    everywhere = Counter(values)
    if len(everywhere) < 2 or len(data.members) < 2:
        return
    texts, files = [], []
    for label, members in data.members.items():
        inside = Counter(values[at] for at in members)
        others, rest = everywhere - inside, len(values) - len(members)
        value, count = max(inside.items(), key=lambda item: item[1] / len(members) - others[item[0]] / max(rest, 1))
        table = [[count, len(members) - count], [others[value], rest - others[value]]]
        if rest and count / len(members) - others[value] / rest >= _DIFFERENCE_MIN and _chance(table) < _CHANCE_MAX:
            texts.append(f"{label}: {count / len(members):.0%} are {value}, of the others {others[value] / rest:.0%}")
            files += [data.frames.samples[at].name for at in members if values[at] == value]
    if texts:
        yield make_finding(code, f"the {what} depends on the class ({'; '.join(texts[:3])})", files)


def _chance(table: list[list[int]]) -> float:
    return float(fisher_exact(table).pvalue)


def _unusual(data: CheckedData, values: Sequence[Hashable]) -> list[str]:
    """Return the names of the images that do not have the most frequent value."""
    usual = Counter(values).most_common(1)[0][0]
    return data.names([at for at, value in enumerate(values) if value != usual])


def _shares(counts: Counter[str]) -> str:
    return some([f"{value} ({count:,})" for value, count in counts.most_common()])
