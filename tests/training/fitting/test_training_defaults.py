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
    describe_training,
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
def test_copies_exist_only_for_a_frozen_backbone() -> None:
    from dataclasses import replace

    from stripwatch.training.fitting.fit_settings import FitSettings

    usual = FitSettings(Path("data"), Path("out"), "mobilenet")
    assert (usual.changes, usual.copies) == ("strong", COPIES)
    assert (replace(usual, augment=True).changes, replace(usual, augment=True).copies) == ("mild", COPIES)
    assert replace(usual, augment_copies=2).copies == 2
    without: list[dict[str, Any]] = [
        {"augment": True, "augment_copies": 0},
        {"augment_copies": 0},
        {"copy_changes": "none"},
        {"augment": True, "weights": "none"},
        {"weights": "none"},
        {"fine_tune": 3},
        {"head": "dense"},
    ]
    make: Callable[..., FitSettings] = replace
    assert [make(usual, **changes).copies for changes in without] == [0] * len(without)


@pytest.mark.training
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            "training the gap head on a frozen backbone: 10 epochs (default), learning rate 0.01 (default), "
            "weight decay 0.2 (default), batches of 32, several feature maps (default), "
            "4 strongly changed copies of each training frame (default)",
        ),
        (
            {"maps": "last", "copy_changes": "none"},
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
    from stripwatch.training.fitting.fit_settings import FitSettings, chosen_defaults, to_configuration

    make: Callable[..., FitSettings] = FitSettings
    settings = make(Path("data"), Path("out"), "mobilenet", **changes)
    configuration = to_configuration(settings, "folders", "float32", settings.copies)
    assert describe_training(configuration, chosen_defaults(settings)) == line


@pytest.mark.training
@pytest.mark.parametrize(
    ("changes", "joins"),
    [
        ({}, True),
        ({"maps": "last"}, False),
        ({"head": "dense"}, False),
        ({"weights": "none"}, False),
        ({"weights": "none", "maps": "several"}, True),
        ({"fine_tune": 2}, False),
        ({"fine_tune": 2, "maps": "several"}, True),
        ({"network": "xception"}, False),
        ({"network": "xception", "maps": "several"}, True),
    ],
)
def test_a_gap_head_on_a_frozen_backbone_reads_several_maps_of_networks_that_gain(
    changes: dict[str, Any], joins: bool
) -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings, to_configuration

    make: Callable[..., FitSettings] = FitSettings
    settings = make(Path("data"), Path("out"), **{"network": "mobilenet", **changes})
    assert settings.joins_maps is joins
    assert to_configuration(settings, "folders", "float32").maps == ("several" if joins else "last")


@pytest.mark.training
def test_only_the_gap_head_reads_several_maps() -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings, check
    from stripwatch.worker.common.errors import SettingsError

    with pytest.raises(SettingsError, match="--maps several needs --head gap"):
        check(FitSettings(Path("data"), Path("out"), "mobilenet", head="dense", maps="several"))


@pytest.mark.training
@pytest.mark.parametrize("changes", [{"copy_changes": "none"}, {"head": "dense"}, {"augment": True, "weights": "none"}])
def test_rejects_a_number_of_copies_without_a_meaning(changes: dict[str, Any]) -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings, check
    from stripwatch.worker.common.errors import SettingsError

    make: Callable[..., FitSettings] = FitSettings
    with pytest.raises(SettingsError, match="--augment-copies needs pretrained weights, and --augment or"):
        check(make(Path("data"), Path("out"), "mobilenet", augment_copies=2, **changes))


@pytest.mark.training
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"copy_changes": "strong", "weights": "none"}, "--copy-changes strong needs pretrained weights"),
        ({"copy_changes": "mild", "weights": "none"}, "--copy-changes mild needs pretrained weights"),
        ({"copy_changes": "strong", "head": "dense"}, "--copy-changes strong needs another head than dense"),
        (
            {"copy_changes": "strong", "augment_copies": 0},
            "--copy-changes strong and --augment-copies 0 contradict each other",
        ),
    ],
)
def test_rejects_changes_that_cannot_be_made(changes: dict[str, Any], problem: str) -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings, check
    from stripwatch.worker.common.errors import SettingsError

    make: Callable[..., FitSettings] = FitSettings
    with pytest.raises(SettingsError, match=problem):
        check(make(Path("data"), Path("out"), "mobilenet", **changes))
