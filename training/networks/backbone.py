"""Backbones: pretrained networks without their top layers, optionally cut at a layer."""

import difflib
import warnings
from pathlib import Path
from typing import Any

import keras

from stripwatch.training.networks.catalog import NETWORKS, Network
from stripwatch.worker.common.errors import InputError, SettingsError

_BEFORE = "before:"


def build_backbone(
    network: Network, shape: tuple[int, int, int], alpha: float, weights: str, cut: str = ""
) -> keras.Model:
    """Build a network that maps images [n, height, width, 3] to a feature map [n, h, w, channels].

    shape: [height, width, 3]. alpha: width multiplier. weights: "imagenet" downloads them, "none" leaves them random,
    anything else is a Keras weights file of the whole network or of the cut one. cut: the last layer, or "before:LAYER"
    to end with the input of LAYER, since a sum of branches often has no descriptive name; "" keeps the whole network.
    Raises SettingsError for a size, width or cut that the network does not support, InputError for weights that cannot
    be downloaded or do not fit.
    """
    _check(network, shape, alpha)
    options: dict[str, Any] = {"include_top": False, "input_shape": shape}
    if network.has_alpha:
        options["alpha"] = alpha
    if weights == "imagenet":
        return _cut(_download(network, options), cut, network.name)
    whole = network.build(weights=None, **options)
    backbone = _cut(whole, cut, network.name)
    if weights != "none":
        require_weights(weights)
        _load([whole, backbone] if cut else [whole], Path(weights), network.name)
    return backbone


def require_weights(weights: str) -> None:
    """Raise InputError if the weights are a file that does not exist."""
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        near = difflib.get_close_matches(weights, ("imagenet", "none"), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "pass a weights file, 'imagenet' or 'none'"
        raise InputError(f"--weights {weights}: no such file; {hint}")


def _check(network: Network, shape: tuple[int, int, int], alpha: float) -> None:
    if min(shape[:2]) < network.side_px_min:
        raise SettingsError(
            f"--input {shape[0]}x{shape[1]}: {network.name} needs at least {network.side_px_min} pixels per side"
        )
    if alpha != 1 and not network.has_alpha:
        scalable = " and ".join(each.name for each in NETWORKS.values() if each.has_alpha)
        raise SettingsError(f"--alpha {alpha:g}: {network.name} has only one width; only {scalable} have several")


def _cut(whole: keras.Model, cut: str, network: str) -> keras.Model:
    if not cut:
        return whole
    name = cut.removeprefix(_BEFORE)
    names = [layer.name for layer in whole.layers[1:]]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"; similar names are {', '.join(near)}" if near else ""
        raise SettingsError(f"--cut {cut}: {network} has no layer {name!r}{hint}")
    layer = whole.get_layer(name)
    end = layer.input if cut.startswith(_BEFORE) else layer.output
    if isinstance(end, list):
        raise SettingsError(f"--cut {cut}: {name} has {len(end)} inputs, but a backbone must end with one feature map")
    if len(end.shape) != 4:
        raise SettingsError(f"--cut {cut}: the output there has shape {tuple(end.shape[1:])} and is not a feature map")
    return keras.Model(whole.inputs, end, name=whole.name)


def _download(network: Network, options: dict[str, Any]) -> keras.Model:
    try:
        return network.build(weights="imagenet", **options)
    except ValueError as error:  # no pretrained weights for this alpha
        reason = " ".join(str(error).replace("of`", "of `").split())
        raise SettingsError(
            f"--weights imagenet does not fit these options; change them or pass a weights file ({reason})"
        ) from error
    except Exception as error:  # keras raises a bare Exception when a download fails
        raise InputError(f"--weights imagenet: download failed ({error}); pass a weights file instead") from error


def _load(candidates: list[keras.Model], path: Path, name: str) -> None:
    """Load weights into the first candidate that they fit. The whole and the cut network share their layers."""
    for model in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about layers missing in the file; an error follows
                model.load_weights(path)
        except Exception as error:  # h5py, zipfile and keras raise several unrelated types
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            misfit = InputError(f"--weights {path} does not fit {name} with these options: {reason}")
            misfit.__cause__ = error
        else:
            return
    raise misfit
