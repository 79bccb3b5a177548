"""A network without its top, cut where it was asked for, with its weights."""

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
    """The network for images of shape [height, width, 3], ending in a map [n, h, w, channels].

    weights: "imagenet" downloads, "none" leaves them random, anything else is a weights file of Keras, of the whole
    network or of what is left of it. cut: the layer to end with, or "before:LAYER" to end with what LAYER takes; a sum
    often has no name of its own.
    Raises SettingsError for a size, width or cut that the network has not, InputError for weights that cannot be had or
    do not fit.
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
        _load([whole, backbone] if cut else [whole], Path(weights), network.name)
    return backbone


def _check(network: Network, shape: tuple[int, int, int], alpha: float) -> None:
    if min(shape[:2]) < network.side_px_min:
        raise SettingsError(
            f"--input {shape[0]}x{shape[1]}: {network.name} needs at least {network.side_px_min} a side"
        )
    if alpha != 1 and not network.has_alpha:
        able = " and ".join(each.name for each in NETWORKS.values() if each.has_alpha)
        raise SettingsError(f"--alpha {alpha:g}: {network.name} comes in one width; {able} have others")


def _cut(whole: keras.Model, cut: str, network: str) -> keras.Model:
    if not cut:
        return whole
    name = cut.removeprefix(_BEFORE)
    names = [layer.name for layer in whole.layers[1:]]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise SettingsError(f"--cut {cut}: {network} has no layer {name!r}{hint}")
    layer = whole.get_layer(name)
    end = layer.input if cut.startswith(_BEFORE) else layer.output
    if isinstance(end, list):
        raise SettingsError(f"--cut {cut}: {name} takes {len(end)} maps, and a backbone ends in one")
    if len(end.shape) != 4:
        raise SettingsError(f"--cut {cut}: there is no map of places there, but {tuple(end.shape[1:])}")
    return keras.Model(whole.inputs, end, name=whole.name)


def _download(network: Network, options: dict[str, Any]) -> keras.Model:
    try:
        return network.build(weights="imagenet", **options)
    except ValueError as error:  # an alpha that was never trained
        raise SettingsError(f"--weights imagenet: {error}") from error
    except Exception as error:  # keras raises a bare Exception when a download fails
        raise InputError(f"--weights imagenet: cannot download them ({error}); give a file instead") from error


def _load(candidates: list[keras.Model], path: Path, name: str) -> None:
    """Into the first model that the file fits, the whole network before the cut one: they share their layers."""
    if not path.is_file():
        raise InputError(f"--weights {path}: there is no such file; it is a file, 'imagenet' or 'none'")
    for model in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of layers that are not in the file: an error follows
                model.load_weights(path)
        except Exception as error:  # h5py, zipfile and keras raise a handful of types
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            misfit = InputError(f"--weights {path} does not fit {name} as it was asked for: {reason}")
            misfit.__cause__ = error
        else:
            return
    raise misfit
