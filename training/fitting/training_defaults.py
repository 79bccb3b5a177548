"""Default training options, which follow from what is trained. The only place that states them."""

from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.export.runs.run_folder import ChosenDefaults, Configuration, Head
from stripwatch.training.preparation.finding import counted

COPIES = 4  # changed copies of each training frame whose features are computed once


@dataclass(frozen=True, slots=True)
class TrainingDefaults:
    """Defaults for one kind of training.

    trained: what is trained, for messages. learning_rate: of heads, for scaled features (`FeatureScale`), so that one
    rate suits all backbones. weight_decay: for adamw, in a fit without changed copies. epochs: before fine-tuning.
    """

    trained: str
    learning_rate: float
    weight_decay: float
    epochs: int = 10


# The weight decay of 1 was measured against 0 for four networks (docs/explanation/benchmarks.md, "Weight decay of the
# gap head"). 0.004 is Keras's default.
HEADS: dict[Head, TrainingDefaults] = {
    "gap": TrainingDefaults("the gap head on a frozen backbone", 0.01, 1.0),
    "paper-baseline": TrainingDefaults("the paper-baseline head on a frozen backbone", 0.001, 0.004),
    "dense": TrainingDefaults("the dense head on a frozen backbone", 0.003, 0.004),
}
WHOLE = TrainingDefaults("all layers of the network, from random weights", 0.003, 0.004)
FINE_TUNE_RATE, FINE_TUNE_DECAY = 1e-4, 0.004


def find_defaults(head: Head, frozen: bool) -> TrainingDefaults:
    """Return the defaults for a head on a frozen backbone, or for the whole network."""
    return HEADS[head] if frozen else WHOLE


def decay_with_copies(decay: float, copies: int) -> float:
    """Return the default weight decay of a fit with changed copies, from that of a fit without.

    The decay acts in each step, and copies multiply the steps. Dividing it keeps the shrinkage over the whole fit the
    same.
    """
    return decay / (1 + copies)


def describe_training(configuration: Configuration, chosen: ChosenDefaults) -> str:
    """Return one line about what is trained and with which options; it marks the defaults that were chosen."""

    def marked(name: str, text: str) -> str:
        return f"{text} (default)" if name in chosen.settings else text

    c = configuration
    options = [
        marked("epochs", counted(c.epochs, "epoch")),
        marked("learning_rate", f"learning rate {c.learning_rate:g}"),
    ]
    if c.optimizer == "adamw":
        options.append(marked("weight_decay", f"weight decay {c.weight_decay:g}"))
    options.append(f"batches of {c.batch}")
    if c.maps == "several":
        options.append(marked("maps", "several feature maps"))
    if c.augment_copies:
        changed = "strongly changed" if c.copy_changes == "strong" else "changed"
        options.append(marked("augment_copies", f"{c.augment_copies} {changed} copies of each training frame"))
    elif c.augment:
        options.append("frames changed in each epoch")
    if c.fine_tune:
        options.append(f"then {counted(c.fine_tune, 'epoch')} of fine-tuning at learning rate {c.fine_tune_rate:g}")
    return f"training {chosen.trained}: {', '.join(options)}"


def by_kind(name: str) -> str:
    """Return the defaults of a training option as a sentence for the help. name: a field of TrainingDefaults."""
    kinds = {**{f"the {head} head": each for head, each in HEADS.items()}, "--weights none": WHOLE}
    by_value: dict[str, list[str]] = {}
    for kind, each in kinds.items():
        by_value.setdefault(f"{getattr(each, name):g}", []).append(kind)
    if len(by_value) == 1:
        return f"Default: {next(iter(by_value))}."
    return f"Default: {', '.join(f'{value} for {_listed(found)}' for value, found in by_value.items())}."


def _listed(kinds: Sequence[str]) -> str:
    *others, last = kinds
    return f"{', '.join(others)} and {last}" if others else last
