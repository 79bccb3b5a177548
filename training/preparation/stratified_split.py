"""Stratified splits into training and validation frames, and into folds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.worker.common.errors import DataError

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitParts:
    """Positions of the frames of both parts, ascending. Each frame is in exactly one part."""

    train: list[int]
    validation: list[int]


@dataclass(frozen=True, slots=True)
class _Group:
    """Frames that stay together. keys: how often each label set and each single label occurs among them."""

    frames: list[int]
    keys: Counter[Labels]


def split_frames(
    labels: Sequence[Labels], groups: Sequence[int], val_share: float, seed: int, every: bool = True
) -> SplitParts:
    """Split frames so that each label set keeps about its share in both parts and groups stay together.

    labels, groups: label set and group number of each frame. val_share: share of the validation part, 0 to 1. Each
    label occurs in both parts. If that is impossible because all its frames belong to one group, DataError is raised if
    `every` is true; otherwise the label occurs in the training part only.
    """
    train, validation = _deal(labels, groups, [1 - val_share, val_share], seed, every)
    return SplitParts(train, validation)


def fold_frames(
    labels: Sequence[Labels], groups: Sequence[int], folds: int, seed: int, every: bool = True
) -> list[SplitParts]:
    """Split frames into folds like split_frames: each frame is in the validation part of exactly one fold."""
    bins = _deal(labels, groups, [1 / folds] * folds, seed, every)
    everywhere = set(range(len(labels)))
    return [SplitParts(sorted(everywhere - set(scored)), scored) for scored in bins]


def _deal(
    labels: Sequence[Labels], groups: Sequence[int], shares: list[float], seed: int, every: bool
) -> list[list[int]]:
    """Distribute whole groups to bins: the hardest groups first, each to the bin that most lacks its labels.

    After Sechidis et al. 2011, "On the Stratification of Multi-Label Data"
    (https://doi.org/10.1007/978-3-642-23808-6_10), with label sets in addition to single labels.
    """
    dealt = _groups_in_order(labels, groups, seed)
    wanted = [{key: max(1.0, share * count) for key, count in _count(dealt).items()} for share in shares]
    bins: list[list[_Group]] = [[] for _ in shares]
    filled: list[Counter[Labels]] = [Counter() for _ in shares]
    for group in dealt:
        needs = [_need(group, *state) for state in zip(wanted, filled, strict=True)]
        best = needs.index(max(needs))
        bins[best].append(group)
        filled[best].update(group.keys)
    lacking = [label for label in sorted({label for found in labels for label in found}) if not _spread(label, bins)]
    if lacking and every:
        raise DataError(_lacking_text({label: _holding(label, dealt) for label in lacking}, len(shares)))
    return [sorted(frame for group in members for frame in group.frames) for members in bins]


def _lacking_text(groups: dict[str, int], parts: int) -> str:
    """Return the message for classes that cannot be in each part. groups: number of groups with each class."""
    counts = {label: f"{count} {'group' if count == 1 else 'groups'}" for label, count in groups.items()}
    (first, count), *others = counts.items()
    if others:
        which = f"classes {', '.join(f'{label!r} ({text})' for label, text in counts.items())}"
    else:
        which, count = f"class {first!r}", f", which leaves {count}"
    remedy = "add images" if parts == 2 else "add images, or reduce --folds"
    return (
        f"{which} cannot be in each of {parts} parts: near duplicates and images of one coil stay together"
        f"{'' if others else count}; {remedy}"
    )


def _need(group: _Group, wanted: dict[Labels, float], filled: Counter[Labels]) -> float:
    """Return how much a bin lacks the labels of a group, with half of the group added.

    Adding half of the group corresponds to the Sainte-Laguë method of seat allocation.
    """
    return sum(count * (1 - (filled[key] + count / 2) / wanted[key]) for key, count in group.keys.items())


def _groups_in_order(labels: Sequence[Labels], groups: Sequence[int], seed: int) -> list[_Group]:
    """Return the groups in random order, sorted by size and then by rarity of their labels: hardest first."""
    members = defaultdict(list)
    for frame, number in enumerate(groups):
        members[number].append(frame)
    found = [_Group(frames, Counter(key for at in frames for key in _keys(labels[at]))) for frames in members.values()]
    total = _count(found)
    shuffled = [found[at] for at in np.random.default_rng(seed).permutation(len(found))]
    return sorted(shuffled, key=lambda group: (-len(group.frames), min(total[key] for key in group.keys)))


def _keys(labels: Labels) -> set[Labels]:
    return {labels, *((label,) for label in labels)}


def _count(groups: Sequence[_Group]) -> Counter[Labels]:
    total: Counter[Labels] = Counter()
    for group in groups:
        total.update(group.keys)
    return total


def _holding(label: str, groups: Sequence[_Group]) -> int:
    return sum((label,) in group.keys for group in groups)


def _spread(label: str, bins: list[list[_Group]]) -> bool:
    """Move a small group with the label to each bin that lacks it, from the bin that has the most of them.

    A group is only moved if its bin keeps all its labels. Returns false if a bin still lacks the label.
    """
    for poor in bins:
        if _holding(label, poor):
            continue
        rich = max(bins, key=lambda members: _holding(label, members))
        spare = [group for group in rich if (label,) in group.keys and _can_spare(rich, group)]
        if not spare:
            return False
        given = min(spare, key=lambda group: len(group.frames))
        rich.remove(given)
        poor.append(given)
    return True


def _can_spare(members: list[_Group], group: _Group) -> bool:
    """Return whether every label of a group also occurs in another group of its bin."""
    return all(sum(key in other.keys for other in members) > 1 for key in group.keys if len(key) == 1)
