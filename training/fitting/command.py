"""Command `stripwatch train fit`."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from stripwatch.export.runs.claim_folder import is_interrupted
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.datasets.cli_options import (
    BitDepth,
    BoxesFormat,
    CleanLabel,
    FitTaskOption,
    Layout,
    MergeLabels,
    ValShare,
)
from stripwatch.training.fitting import cli_options as options
from stripwatch.training.fitting.fit_settings import FitSettings, as_paper_baseline
from stripwatch.training.fitting.training_defaults import FINE_TUNE_RATE
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.examples import with_examples
from stripwatch.worker.common.terminal.facts import as_text
from stripwatch.worker.common.terminal.interruption import given_command, hint_if_interrupted
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.common.terminal.progress import duration

_EXAMPLES = """\
  stripwatch train fit --data images/ --clean-label clean --network mobilenet --alpha 0.25 \\
    --weights imagenet --epochs 10 --out runs/first
  stripwatch train fit --data images/ --clean-label clean --network xception \\
    --cut before:block14_sepconv1 --fine-tune 10 --augment --out runs/second
  stripwatch train fit --data images/ --clean-label clean --network inceptionv3 --cut mixed7 \\
    --head dense --boxes annotations/ --out runs/where
  stripwatch train fit --data images/ --data review/ --clean-label clean --network mobilenet \\
    --out runs/next
"""


@with_examples(_EXAMPLES)
def fit(
    data: options.DataFolders,
    network: options.Network,
    out: options.NewRunFolder,
    layout: Layout = "auto",
    alpha: options.Alpha = 1.0,
    weights: options.Weights = "imagenet",
    input_size: options.InputSize = "",
    decode: options.DecodeOption = "auto",
    bit_depth: BitDepth = None,
    levels: options.LevelsOption = "full",
    epochs: options.Epochs = None,
    batch: options.Batch = 32,
    seed: options.Seed = 0,
    val_share: ValShare = 0.2,
    split: options.EarlierSplit = None,
    keep: options.KeepOption = "best",
    clean_label: CleanLabel = None,
    merge_labels: MergeLabels = False,
    augment: options.Augment = False,
    augment_copies: options.AugmentCopies = None,
    copy_changes: options.CopyChanges = None,
    dropout: options.Dropout = 0.2,
    learning_rate: options.LearningRate = None,
    cut: options.Cut = "",
    head: options.HeadOption = "gap",
    maps: options.MapsOption = None,
    task: FitTaskOption = "multiclass",
    recipe: options.Recipe = "default",
    schedule: options.ScheduleOption = "cosine",
    scale_features: options.ScaleFeatures = True,
    optimizer: options.OptimizerOption = "adamw",
    weight_decay: options.WeightDecay = None,
    loss: options.LossOption = "crossentropy",
    label_smoothing: options.LabelSmoothing = 0.0,
    class_weights: options.ClassWeights = False,
    best_by: options.BestByOption = "val_accuracy",
    patience: options.Patience = 0,
    fine_tune: options.FineTune = 0,
    fine_tune_from: options.FineTuneFrom = "",
    fine_tune_rate: options.FineTuneRate = FINE_TUNE_RATE,
    boxes: options.Boxes = None,
    boxes_format: BoxesFormat = "auto",
    cache: options.Cache = None,
    precision: options.PrecisionOption = "auto",
    mm_per_px: options.MmPerPx = None,
    novelty_false_alarms: options.NoveltyFalseAlarms = None,
    no_novelty: options.NoNovelty = False,
    resume: options.Resume = False,
    json_file: JsonFile = None,
) -> None:
    """Train a classifier on a folder of labelled images.

    With pretrained weights the backbone stays frozen and only the head is fitted. The features are then computed once,
    so additional epochs cost very little. --fine-tune also fits the last layers of the backbone afterwards. With
    --weights none every layer is fitted.

    A novelty detector is fitted on the training frames, so that the worker can report frames unlike them. It changes
    neither the classifier nor its scores.

    The run folder contains model.keras, novelty.npz, run.json and history.csv. --resume continues an
    interrupted fit.

    Images of more than 36,000,000 bytes or pixels, the default limits of the worker, are an error.
    """
    settings = settings_of(dict(locals()))
    finish(_fit(settings), json_file)


def _fit(settings: FitSettings) -> Outcome:
    with hint_if_interrupted(lambda: _how_to_continue(settings)):
        load_tensorflow()
        require("sklearn")
        from stripwatch.training.fitting.fit import fit as run_fit

        run = run_fit(settings)
    out = settings.out
    summary = {"run": str(out), "epochs": 0 if run.anomaly else run.configuration.epochs, **_summary(run)}
    return Outcome(summary, _facts(out, run), next_steps=[command_text("train", "evaluate", out)])


def settings_of(given: dict[str, Any]) -> FitSettings:
    """Return the settings of a fit. given: options of the command by name. Raises SettingsError for invalid ones."""
    rate = _false_alarms(given["novelty_false_alarms"], given["no_novelty"])
    given = {name: value for name, value in given.items() if name != "novelty_false_alarms"} | rate
    given["height_px"], given["width_px"] = _parse_size(given["input_size"])
    data, mm_per_px = given["data"], given["mm_per_px"]
    given |= {"data": data[0], "also": tuple(data[1:]), "mm_per_px": tuple(mm_per_px) if mm_per_px else None}
    names = {field.name for field in fields(FitSettings)} & given.keys()
    settings = FitSettings(**{name: given[name] for name in names})
    if given["recipe"] != "paper-baseline":
        return settings
    if settings.task == "anomaly":
        raise SettingsError("--recipe has no meaning with --task anomaly; omit it")
    return as_paper_baseline(settings)


def _false_alarms(rate: float | None, no_novelty: bool) -> dict[str, float | None]:
    """Return the setting, or nothing if its default applies."""
    if no_novelty and rate is not None:
        raise SettingsError("--novelty-false-alarms has no effect with --no-novelty; omit one of them")
    return {"novelty_false_alarms": rate} if no_novelty or rate is not None else {}


def _how_to_continue(settings: FitSettings) -> str:
    if is_interrupted(settings.out):
        return f"; continue with: {given_command('--resume')}"
    return "; nothing was stored that a fit could continue from, so run the same command again"


def _summary(run: Run) -> dict[str, Any]:
    return {
        **({"anomaly": msgspec.to_builtins(run.anomaly)} if run.anomaly else {}),
        "best_epoch": run.best_epoch,
        "val_accuracy": round(run.validation.accuracy, 4),
        "frames": len(run.split.train) + run.validation.frames,
        "val_frames": run.validation.frames,
        "files": msgspec.to_builtins(run.files),
        "labels": len(run.labels),
        "decode": run.decode.name,
        "seconds": run.seconds["total"],
        "features_seconds": run.seconds["features"],
        "epochs_seconds": run.seconds["epochs"],
    }


def _facts(out: Path, run: Run) -> dict[str, str]:
    """Return the table for people."""
    seconds, epochs = run.seconds, run.configuration.epochs + run.configuration.fine_tune
    return {
        "run": path_text(out),
        "network": run.configuration.title,
        **({"files": run.files.text} if run.files else {}),
        "frames": f"{len(run.split.train):,} for training, {run.validation.frames:,} for validation",
        "labels": f"{len(run.labels)}: {as_text(run.labels)}",
        "decode": run.decode.name + (f" ({run.colour.text})" if run.colour else ""),
        **_quality(run, epochs),
        **_novelty_fact(run),
        "time": f"{duration(seconds['total'])} (features {duration(seconds['features'])}"
        + ("" if run.anomaly else f", epochs {duration(seconds['epochs'] + seconds['fine_tune'])}")
        + ")",
    }


def _quality(run: Run, epochs: int) -> dict[str, str]:
    facts = run.anomaly
    if facts is None:
        accuracy = f"{run.validation.accuracy:.4f} in epoch {run.best_epoch} of {epochs}, which is kept"
        return {"validation accuracy": accuracy}
    found = {} if facts.found is None else {"defects found": f"{facts.found:.2%} of the validation frames with defects"}
    alarms = "-" if facts.false_alarms is None else f"{facts.false_alarms:.2%} of the clean validation frames"
    return {"false alarms": f"{alarms}; the threshold is for {facts.false_alarm_rate:.2%}", **found}


def _novelty_fact(run: Run) -> dict[str, str]:
    facts = run.novelty
    if facts is None:
        return {}
    text = f"threshold {facts.threshold:.4g}, for {facts.false_alarm_rate:.2%} false alarms on {facts.frames:,} frames"
    if facts.validation_share is not None:
        text += f"; {facts.validation_share:.2%} of the validation frames are above it"
    return {"novelty": text}


def _parse_size(text: str) -> tuple[int | None, int | None]:
    """Parse "128x800" to height 128 and width 800, and "" to None. Raises SettingsError for anything else."""
    if not text:
        return None, None
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if match is None:
        raise SettingsError(f"--input {text!r} is not HEIGHTxWIDTH, such as 224x224")
    return int(match[1]), int(match[2])
