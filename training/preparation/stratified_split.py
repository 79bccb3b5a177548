"""Which frames are learned from and which are kept for validation."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.worker.common.errors import DataError

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitParts:
    """Positions of frames, each in exactly one part, ascending."""

    train: list[int]
    validation: list[int]


@dataclass(frozen=True, slots=True)
class _Group:
    """Frames that stay together, and how often each label set and each single label is among them."""

    frames: list[int]
    keys: Counter[Labels]


def split_frames(
    labels: Sequence[Labels], groups: Sequence[int], val_share: float, seed: int, every: bool = True
) -> SplitParts:
    """Split frame by frame so that each set of labels keeps about its share and frames of one group stay together.

    labels, groups: one a frame. Each label is in both parts. Where that cannot be, since all its frames belong
    together, DataError is raised; or, without `every`, the label is in training alone.
    """
    train, validation = _deal(labels, groups, [1 - val_share, val_share], seed, every)
    return SplitParts(train, validation)


def fold_frames(
    labels: Sequence[Labels], groups: Sequence[int], folds: int, seed: int, every: bool = True
) -> list[SplitParts]:
    """The same for cross-validation: each frame is in the validation part of exactly one fold."""
    bins = _deal(labels, groups, [1 / folds] * folds, seed, every)
    everywhere = set(range(len(labels)))
    return [SplitParts(sorted(everywhere - set(scored)), scored) for scored in bins]


def _deal(
    labels: Sequence[Labels], groups: Sequence[int], shares: list[float], seed: int, every: bool
) -> list[list[int]]:
    """Deal whole groups to bins: the hard ones first, each to the bin that is least filled with its labels.

    After Sechidis et al. 2011, "On the stratification of multi-label data", with label sets beside single labels.
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
    for label in sorted({label for found in labels for label in found}):
        if not _spread(label, bins) and every:
            raise DataError(
                f"class {label!r} cannot be in each of {len(shares)} parts: images that are nearly the same and those "
                f"of one coil stay together, and so it has {_holding(label, dealt)} to deal out; add images, or ask "
                "for fewer parts"
            )
    return [sorted(frame for group in members for frame in group.frames) for members in bins]


def _need(group: _Group, wanted: dict[Labels, float], filled: Counter[Labels]) -> float:
    """How empty a bin would be of a group's labels, once half of the group lay in it (as Sainte-Lague deals seats)."""
    return sum(count * (1 - (filled[key] + count / 2) / wanted[key]) for key, count in group.keys.items())


def _groups_in_order(labels: Sequence[Labels], groups: Sequence[int], seed: int) -> list[_Group]:
    """In random order, but large groups first, and then those with a rare label."""
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
    """Give each bin without a label a small group that has it, from the bin that has most and can spare one.

    False where a bin stays without.
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
    """Whether every label of a group is in another group of its bin."""
    return all(sum(key in other.keys for other in members) > 1 for key in group.keys if len(key) == 1)
