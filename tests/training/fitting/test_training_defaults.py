"""The defaults follow what is trained, and the help states them."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.models import OptionInfo

from stripwatch.export.runs.run_folder import Head
from stripwatch.training.fitting.command import fit
from stripwatch.training.fitting.training_defaults import (
    COPIES,
    FINE_TUNE_DECAY,
    HEADS,
    WHOLE,
    by_kind,
    decay_with_copies,
    find_defaults,
)


def help_of(option: str) -> str:
    """Return the help of an option of `stripwatch train fit`."""
    annotation = signature(fit).parameters[option].annotation
    (info,) = (each for each in get_args(annotation)[1:] if isinstance(each, OptionInfo))
    return str(info.help)


def test_every_head_has_defaults() -> None:
    assert set(HEADS) == set(get_args(Head))
    for head in HEADS:
        assert find_defaults(head, frozen=True) is HEADS[head]
        assert find_defaults(head, frozen=False) is WHOLE


@pytest.mark.parametrize("option", ["epochs", "learning_rate", "weight_decay"])
def test_the_help_states_the_default_for_each_kind_of_training(option: str) -> None:
    assert by_kind(option) in help_of(option)
    for kind in (*HEADS.values(), WHOLE):
        assert f"{getattr(kind, option):g}" in help_of(option)


def test_equal_defaults_are_stated_once() -> None:
    assert by_kind("weight_decay") == (
        "Default: 1 for the gap head, 0.004 for the paper-baseline head, the dense head and --weights none."
    )


def test_copies_keep_the_shrinkage_over_the_whole_fit() -> None:
    for copies in (0, 4):
        steps, rate = 100 * (1 + copies), 0.01
        assert (1 - rate * decay_with_copies(0.5, copies)) ** steps == pytest.approx(0.606, abs=0.002)


@pytest.mark.training
def test_the_help_states_the_other_defaults_that_typer_does_not_show() -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings, as_paper_baseline
    from stripwatch.training.fitting.optimizers import PLATEAU_EPOCHS, PLATEAU_FACTOR

    usual = FitSettings(Path("data"), Path("out"), "mobilenet")
    paper = as_paper_baseline(usual)
    stated: list[tuple[str, str]] = [
        ("augment_copies", f"Default: {COPIES}."),
        ("weight_decay", f"Fine-tuning always uses {FINE_TUNE_DECAY:g}."),
        ("novelty_false_alarms", f"Default: {usual.novelty_false_alarms}."),
        ("schedule", f"multiplied by {PLATEAU_FACTOR:g} after {PLATEAU_EPOCHS} epochs"),
        ("recipe", f"Adam at a constant learning rate of {paper.learning_rate:g}, batches of {paper.batch}, dropout"),
        ("recipe", f"dropout {paper.dropout:g}, cross-entropy"),
    ]
    for option, text in stated:
        assert text in help_of(option), option
    assert (paper.optimizer, paper.schedule, paper.loss) == ("adam", "constant", "crossentropy")


@pytest.mark.training
def test_copies_exist_only_for_a_frozen_backbone_and_augmented_frames() -> None:
    from dataclasses import replace

    from stripwatch.training.fitting.fit_settings import FitSettings

    usual = FitSettings(Path("data"), Path("out"), "mobilenet")
    assert usual.copies == 0
    assert replace(usual, augment=True).copies == COPIES
    assert replace(usual, augment=True, augment_copies=0).copies == 0
    assert replace(usual, augment=True, weights="none").copies == 0


@pytest.mark.training
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            "training the gap head on a frozen backbone: 10 epochs (default), learning rate 0.01 (default), "
            "weight decay 1 (default), batches of 32",
        ),
        (
            {"head": "dense", "augment": True, "epochs": 6},
            "training the dense head on a frozen backbone: 6 epochs, learning rate 0.003 (default), "
            "weight decay 0.0008 (default), batches of 32, 4 changed copies of each training frame (default)",
        ),
        (
            {"weights": "none", "augment": True, "optimizer": "adam", "learning_rate": 0.1},
            "training all layers of the network, from random weights: 10 epochs (default), learning rate 0.1, "
            "batches of 32, frames changed in each epoch",
        ),
        (
            {"fine_tune": 3, "weight_decay": 0.0, "epochs": 2, "learning_rate": 0.5},
            "training the gap head on a frozen backbone: 2 epochs, learning rate 0.5, weight decay 0, batches of 32, "
            "then 3 epochs of fine-tuning at learning rate 0.0001",
        ),
    ],
)
def test_says_what_is_trained_and_which_options_are_defaults(changes: dict[str, Any], line: str) -> None:
    from stripwatch.training.fitting.fit_settings import (
        FitSettings,
        chosen_defaults,
        describe_training,
        to_configuration,
    )

    make: Callable[..., FitSettings] = FitSettings
    settings = make(Path("data"), Path("out"), "mobilenet", **changes)
    configuration = to_configuration(settings, "folders", "float32", settings.copies)
    assert describe_training(configuration, chosen_defaults(settings)) == line


@pytest.mark.training
@pytest.mark.parametrize("changes", [{}, {"augment": True, "weights": "none"}])
def test_rejects_a_number_of_copies_without_a_meaning(changes: dict[str, Any]) -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings, check
    from stripwatch.worker.common.errors import SettingsError

    make: Callable[..., FitSettings] = FitSettings
    with pytest.raises(SettingsError, match="--augment-copies needs --augment and pretrained weights"):
        check(make(Path("data"), Path("out"), "mobilenet", augment_copies=2, **changes))
