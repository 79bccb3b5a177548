"""Checks for identical and nearly identical images, and for leaks between parts of a data set."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from stripwatch.export.runs.run_folder import Split
from stripwatch.training.datasets.parts import PART_NAMES, find_parts, parts_note
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.training.preparation.frame_errors import link_text, pair_text
from stripwatch.training.preparation.frame_set import FrameSet
from stripwatch.training.preparation.groups import group_links

_KINDS = {"train": "train", "training": "train", "test": "test", "testing": "test"}  # others: validation

Pairs = Iterable[tuple[int, int]]
Apart = Callable[[int, int], bool]


def check_duplicates(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about duplicates. Identical images with different labels are an error of the data set."""
    frames = data.frames
    disputed = [(a, b) for a, b in frames.similar if frames.samples[a].labels != frames.samples[b].labels]
    if disputed:
        texts = [pair_text(frames.samples[a], frames.samples[b]) for a, b in disputed]
        what = f"{_count(texts, 'nearly identical')} with different labels: {some(texts)}"
        yield make_finding("disputed-duplicates", what, pairs=_named(frames, disputed))
    for code, pairs, kind in (
        ("same-images", frames.same, "identical"),
        ("near-duplicates", frames.similar, "nearly identical"),
    ):
        agreed = [(a, b) for a, b in pairs if frames.samples[a].labels == frames.samples[b].labels]
        named = _named(frames, agreed)
        if named:
            texts = [f"{a} and {b}{link_text(frames.dataset.root, a, b)}" for a, b in named]
            what = f"{_count(named, kind)}: {some(texts)}"
            yield make_finding(code, what, pairs=named)


def check_parts(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about folders such as train and val, into which others have split the data set."""
    frames = data.frames
    found = [sample.name for sample in frames.samples]
    if not find_parts(found):
        return
    names = ", ".join(find_parts(found))
    if frames.dataset.layout != "mvtec":  # whose parts are known to everyone who uses it
        yield make_finding("parts-not-used", parts_note(found)[0].removeprefix("note: "), remedy="")
    parts = [part_of(name) for name in found]
    leaks = _linked(frames, lambda a, b: None not in (parts[a][0], parts[b][0]) and parts[a][0] != parts[b][0])
    if leaks:
        yield _leak("leak-between-parts", f"between the folders {names}", frames, leaks)


def check_fixed_split(data: CheckedData, split: Split) -> Iterator[Finding]:
    """Yield a finding if a split has duplicates, or images of one coil, in both parts."""
    train = {frame.name for frame in split.train}
    inside = [sample.name in train for sample in data.frames.samples]
    leaks = _linked(data.frames, lambda a, b: inside[a] != inside[b])
    if leaks:
        yield _leak("leak-in-split", "between training and validation part", data.frames, leaks)


def part_of(name: str) -> tuple[str | None, str]:
    """Return the part that an image belongs to by a folder in its path: "train", "val" or "test"; and the folder."""
    for folder in PurePosixPath(name).parts[:-1]:
        if folder.lower() in PART_NAMES:
            return _KINDS.get(folder.lower(), "val"), folder
    return None, ""


def _linked(frames: FrameSet, apart: Apart) -> list[tuple[int, int]]:
    """Return pairs of duplicates that are apart, and one pair of images for each coil that is in both."""
    pairs = [(a, b) for a, b in sorted([*frames.same, *frames.similar]) if apart(a, b)]
    return pairs + [(a, b) for a, b in group_links([sample.coil for sample in frames.samples]) if apart(a, b)]


def _leak(code: str, where: str, frames: FrameSet, leaks: Sequence[tuple[int, int]]) -> Finding:
    named = _named(frames, leaks)
    what = f"{counted(len(named), 'pair')} of near duplicates, or of images of one coil, {where}"
    return make_finding(code, f"{what}: {some([f'{a} and {b}' for a, b in named])}", pairs=named)


def _named(frames: FrameSet, pairs: Pairs) -> list[tuple[str, str]]:
    return [(frames.samples[a].name, frames.samples[b].name) for a, b in pairs]


def _count(pairs: Sequence[object], kind: str) -> str:
    return f"{counted(len(pairs), 'pair')} of images {'is' if len(pairs) == 1 else 'are'} {kind}"
