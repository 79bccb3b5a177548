"""Errors of a data set that make it unusable: found in one pass over the files, and reported together."""

from collections.abc import Sequence
from pathlib import Path

from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import SAVE_AS_PNG, UNUSABLE, FrameDigest
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.training.preparation.frame_set import FrameSet
from stripwatch.training.preparation.sample_depths import check_depths
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import file_below, path_text
from stripwatch.worker.images.decode_spec import DecodeSpec

_NAMED_MAX = 5
_OTHER_KINDS = "save images of other colours or kinds as RGB or grey PNG files, and replace or remove the other files"


def find_errors(frames: FrameSet, spec: DecodeSpec) -> list[Finding]:
    """Return what must not be in a data set. spec: that of the fit, with the bit depth that a person has stated."""
    return [*_unreadable(frames), *_bit_depth(frames, spec), *_contradictions(frames)]


def require_usable(frames: FrameSet, errors: Sequence[Finding]) -> None:
    """Raise DataError, with all texts, if there are errors. A single unreadable file raises its own error."""
    if len(frames.errors) == 1 and len(errors) == 1:
        raise frames.errors[0]
    Problems(path_text(frames.dataset.root), [error.text for error in errors]).check()


def contradictions(samples: Sequence[Sample], digests: Sequence[FrameDigest]) -> list[tuple[int, int]]:
    """Return pairs of positions of identical pictures with different labels. The first picture of its kind is first."""
    first: dict[str, int] = {}
    pairs = []
    for at, (sample, digest) in enumerate(zip(samples, digests, strict=True)):
        other = first.setdefault(digest.pixels_sha256, at)
        if samples[other].labels != sample.labels:
            pairs.append((other, at))
    return pairs


def pair_text(first: Sample, second: Sample) -> str:
    """Return two images with their labels, for messages."""
    return f"{first.name} ({first.joined or 'no label'}) and {second.name} ({second.joined or 'no label'})"


def link_text(root: Path, first: str, second: str) -> str:
    """Return ", because FIRST is a link to SECOND" if one image is a link to the other, else an empty text."""
    paths = {name: file_below(root, name) for name in (first, second)}
    link = next((name for name in (second, first) if paths[name].is_symlink()), None)
    if link is None or paths[first].resolve() != paths[second].resolve():
        return ""
    return f", because {link} is a link to {first if link == second else second}"


def _unreadable(frames: FrameSet) -> list[Finding]:
    if not frames.errors:
        return []
    used = {sample.name for sample in frames.samples}
    names = [sample.name for sample in frames.dataset.samples if sample.name not in used]
    if len(names) == 1:
        return [make_finding("unreadable-files", str(frames.errors[0]), names)]
    shown = [str(error).replace(f" {UNUSABLE}: ", ": ") for error in frames.errors[:_NAMED_MAX]]
    texts = "; ".join(text.removesuffix(SAVE_AS_PNG) for text in shown)
    other_kinds = any(str(error).endswith(SAVE_AS_PNG) for error in frames.errors)
    remedy = _OTHER_KINDS if other_kinds else None
    more = len(names) - _NAMED_MAX
    what = f"{counted(len(names), 'file')} cannot be used: {texts}" + (f"; and {more:,} more" if more > 0 else "")
    return [make_finding("unreadable-files", what, names, remedy=remedy)]


def _bit_depth(frames: FrameSet, spec: DecodeSpec) -> list[Finding]:
    names, depths = [sample.name for sample in frames.samples], [digest.depth for digest in frames.digests]
    try:
        check_depths(names, depths, spec)
    except DataError as error:
        doubtful = [name for name, depth in zip(names, depths, strict=True) if depth.is_doubtful(spec.bit_depth)]
        return [make_finding("bit-depth", str(error), doubtful, remedy="")]
    return []


def _contradictions(frames: FrameSet) -> list[Finding]:
    pairs = [(frames.samples[a], frames.samples[b]) for a, b in contradictions(frames.samples, frames.digests)]
    if not pairs:
        return []
    links = [link_text(frames.dataset.root, a.name, b.name) for a, b in pairs]
    texts = [pair_text(*pair) + (link if len(pairs) > 1 else "") for pair, link in zip(pairs, links, strict=True)]
    what = (
        f"{texts[0]} are the same picture with different labels{links[0]}"
        if len(pairs) == 1
        else f"{len(pairs):,} pairs of images are the same picture with different labels: {some(texts)}"
    )
    return [make_finding("contradictory-labels", what, pairs=[(a.name, b.name) for a, b in pairs])]
