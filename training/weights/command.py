"""Command `stripwatch train convert-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.training.fitting.cli_options import NETWORKS
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish

if TYPE_CHECKING:
    from stripwatch.training.weights.convert import Conversion
    from stripwatch.training.weights.recipes import PixelScale

_CHANNELS = 3


def convert_weights(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="PyTorch state dict (.pth, .pt, .bin), safetensors file, or TensorFlow checkpoint (its .index file or "
            "folder).",
        ),
    ],
    network: Annotated[str, typer.Option(help=f"Network of the checkpoint: {NETWORKS}.")],
    out: Annotated[Path, typer.Option(help="Keras weights file to write. Its name must end with .weights.h5.")],
    alpha: Annotated[float, typer.Option(min=0.01, help="Width multiplier of mobilenet and mobilenetv3large.")] = 1.0,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="NumPy file (.npz) with `pixels`, RGB uint8 [images, h, w, 3], and `scores` of the original "
            "network for them, [images, classes]. The converted network must give the same."
        ),
    ] = None,
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked", help="Convert without comparing scores. A mistake then shows only as poor accuracy."
        ),
    ] = False,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Mean of the pixels of each colour, divided by 255, that the checkpoint was trained with. Default: "
            "that of the original publication of the network.",
        ),
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Standard deviation of the pixels, in the same form as --mean.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Name of the state dict in a PyTorch file that contains several.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Convert a published checkpoint of PyTorch or TensorFlow to a Keras weights file for fit.

    The layers are matched by name and shape; a layer that is missing, left over or of another shape is an error. With
    --scores, the converted network must give the scores that the original network gave. The guide "Get
    pretrained weights" has a script that writes them. PyTorch is not needed, and no code of the file is run.

    \b
    Example:
      stripwatch train convert-weights tf_efficientnet_lite0.safetensors --network efficientnetlite0 \\
        --scores scores.npz --out efficientnet_lite0.weights.h5
    """
    _check_options(out, scores, unchecked, force)
    load_tensorflow()
    require("safetensors")
    from stripwatch.training.weights.convert import ConversionSettings, convert
    from stripwatch.training.weights.score_check import read_scores

    reference = None if scores is None else read_scores(scores)
    pixels = _pixel_scale(mean, std)
    finish(
        _outcome(
            out, network, alpha, convert(ConversionSettings(checkpoint, network, out, alpha, key, pixels, reference))
        ),
        json_file,
    )


def _check_options(out: Path, scores: Path | None, unchecked: bool, force: bool) -> None:
    if not out.name.endswith(".weights.h5"):
        raise SettingsError(f"--out {out}: the name must end with .weights.h5, which Keras requires")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: the folder does not exist")
    if out.exists() and not force:
        raise InputError(f"--out {out} exists; pass --force to replace it")
    if (scores is None) != unchecked:
        raise SettingsError(
            "--scores and --unchecked exclude each other"
            if unchecked
            else "--scores FILE is missing: scores of the original network show that the conversion is right; pass "
            "--unchecked to convert without them"
        )


def _pixel_scale(mean: str | None, std: str | None) -> PixelScale | None:
    from stripwatch.training.weights.recipes import PixelScale

    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise SettingsError("--mean and --std must be given together")
    deviation = _numbers("--std", std)
    if min(deviation) <= 0:
        raise SettingsError(f"--std {std}: the numbers must be above 0")
    return PixelScale(_numbers("--mean", mean), deviation)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != _CHANNELS or not all(0 <= each <= 1 for each in numbers):
        raise SettingsError(f"{option} {text!r} is not three numbers between 0 and 1, such as 0.485,0.456,0.406")
    return numbers


def _outcome(out: Path, network: str, alpha: float, result: Conversion) -> Outcome:
    check = result.check
    summary = {
        "out": str(out),
        "network": network,
        "framework": result.framework,
        "source": result.models,
        "tensors": result.tensors,
        "layers": result.layers,
        "weights": result.weights,
        "checked_images": check.images if check else 0,
        "score_difference": check.difference if check else None,
    }
    width = ["--alpha", f"{alpha:g}"] if alpha != 1 else []
    step = command_text(
        "train", "fit", "--data", "images", "--network", network, *width, "--weights", out, "--out", "run"
    )
    facts = {
        "file": str(out),
        "converted from": f"{result.models} ({result.framework}): {result.layers:,} layers, {result.weights:,} weights",
        "scores": f"{check.same_class:,} of {check.images:,} images have the same class; largest difference "
        f"{check.difference:.2g} standard deviations"
        if check
        else "not compared (--unchecked)",
    }
    return Outcome(summary, facts, next_steps=[step])
