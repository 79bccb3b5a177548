"""Models of a GPU run: real bundles made by `fit` and `export`, with random weights.

Random weights run as fast as learned ones. They are drawn from few values, so that they compress to a third of their
size. This module needs TensorFlow, so it runs only on the machine that packs the parts.
"""

from pathlib import Path

import keras
import numpy as np

from stripwatch.export.convert.accuracy_gate import GateLimits
from stripwatch.export.convert.converted_run import convert_run
from stripwatch.export.convert.export_run import ExportSettings, export_converted
from stripwatch.training.fitting.fit import fit
from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import build_classifier
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.model.io_binding import Floats
from tests.gpu.plan import MODELS, ModelPlan
from tests.lively import enliven
from tests.trained import LABELS, write_textures

_SEED = 5
_LIVELY_FRAMES = 16
_STEPS_MAX = 7  # quantization steps of a weight on each side of zero
# Only speed is measured, so the accuracy loss of random weights in 8 bits does not matter.
_ANY = GateLimits(agreement_min=0.0, score_difference_max=1.0, accuracy_drop_max=100.0, f1_drop_max=100.0)


def make_models(folder: Path, work: Path) -> list[Path]:
    """Write the bundles of `tests.gpu.plan` that are missing in `folder`. work: folder for runs and images."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for plan in MODELS:
        if any(not (folder / f"{plan.name}-{precision}.onnx").exists() for precision in plan.precisions):
            _make(plan, folder, work)
        made += [folder / f"{plan.name}-{precision}.onnx" for precision in plan.precisions]
    return made


def _make(plan: ModelPlan, folder: Path, work: Path) -> None:
    images, run = work / "textures", work / plan.name
    if not images.exists():
        write_textures(images)
    if not (run / "run.json").exists():
        say(f"fitting {plan.name}")
        weights = work / f"{plan.name}.weights.h5"
        _draw_weights(plan, weights)
        settings = FitSettings(
            images,
            run,
            plan.network,
            alpha=plan.alpha,
            weights=str(weights),
            seed=3,
            val_share=0.25,
            copy_changes="none",
        )
        fit(settings)
        keras.backend.clear_session()
    with new_progress() as progress:
        converted = convert_run(run, None, progress)
        for precision in plan.precisions:
            out = folder / f"{plan.name}-{precision}.onnx"
            if not out.exists():
                say(f"exporting {out.name}")
                export_converted(
                    converted, ExportSettings(run, out, plan.name, precision=precision, limits=_ANY), progress
                )


def _draw_weights(plan: ModelPlan, path: Path) -> None:
    """Write a weights file like a downloaded one, with random weights."""
    keras.utils.set_random_seed(_SEED)
    network = find_network(plan.network)
    shape = (plan.side_px, plan.side_px, 3)
    backbone = build_backbone(network, shape, plan.alpha, "none")
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            layer.set_weights([_coarse(weight) for weight in layer.get_weights()])
    classifier = build_classifier(network, backbone, OutputSpec(len(LABELS), "multiclass"), 0.2, frozen=True)
    rng = np.random.default_rng(_SEED)
    frames = rng.integers(0, 256, (_LIVELY_FRAMES, *(side // 8 + 1 for side in shape[:2]), 3), np.uint8)
    enliven(classifier.whole, frames.repeat(8, axis=1).repeat(8, axis=2)[:, : shape[0], : shape[1]])
    backbone.save_weights(path)


def _coarse(weight: Floats) -> Floats:
    """Round to a power-of-two step of at most a third of the standard deviation, which is exact in half precision."""
    deviation = float(weight.std())
    if deviation == 0.0:
        return weight
    step = 2.0 ** np.floor(np.log2(deviation / 3))
    return np.asarray(np.clip(np.round(weight / step), -_STEPS_MAX, _STEPS_MAX) * step, np.float32)
