"""A tiny real model and its bundle, built quickly without TensorFlow; it classifies a frame by its mean brightness."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stripwatch.worker.contracts.model.model_record import ClassFigures, NoveltySpec, Provenance, Validation
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import NOVELTY_NAME, SCHEMA, CellGrid, GoldenFrame, Manifest, Threshold
from stripwatch.worker.model.manifest_codec import encode_manifest
from stripwatch.worker.model.onnx_file.onnx_metadata import add_checksum
from stripwatch.worker.model.reference import ClassScores, Reference, Spread

LABELS = ["dark", "grey", "bright"]
CENTRES = (0.1, 0.5, 0.9)
SPEC = DecodeSpec(height_px=16, width_px=24)
NOVELTY = NoveltySpec(
    threshold=0.3, false_alarm_rate=0.01, method="range of the samples", frames=100, tolerance=1e-4, measured_share=0.0
)
NOISY = 60.0  # noise of encode_frame with which a frame is novel; with the usual noise it is not
CELL_PX = 8  # height and width of a heatmap cell, in pixels
_SHARPNESS = 20.0
# Statistics of frames of encode_frame(0.5), and of a model that gave two of its three labels.
TINY_REFERENCE = Reference(
    frames=100,
    brightness=Spread(127.5, 5.0),
    contrast=Spread(3.0, 0.5),
    sharpness=Spread(0.013, 0.002),
    answers=100,
    classes={"grey": ClassScores(share=0.9, confidence=0.95, unsure=0.02), "bright": ClassScores(0.1, 0.95, 0.02)},
)


def encode_frame(
    brightness: float, size: tuple[int, int] = (32, 48), suffix: str = ".png", seed: int = 0, noise: float = 3
) -> bytes:
    """Return an encoded grey frame with this mean brightness (0 to 1) and some noise. size: height, width."""
    grain = np.random.default_rng(seed).normal(0, noise, size)
    pixels = np.clip(brightness * 255 + grain, 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(suffix, pixels)[1].tobytes())


def expected_scores(encoded: bytes, spec: DecodeSpec = SPEC, sharpness: float = _SHARPNESS) -> NDArray[np.float32]:
    """Compute the tiny model's scores in numpy: softmax of sharpness * (2 c m - c^2), so the nearest centre c wins."""
    mean = decode(encoded, spec).pixels.astype(np.float64).mean() / 255
    centres = np.array(CENTRES)
    logits = sharpness * (2 * centres * mean - centres**2)
    exponents = np.exp(logits - logits.max())
    return np.asarray(exponents / exponents.sum(), np.float32)


def expected_novelty(encoded: bytes, spec: DecodeSpec = SPEC) -> float:
    """Compute the tiny model's novelty score in numpy: largest minus smallest sample, 0 to 1."""
    samples = decode(encoded, spec).pixels.astype(np.float32) / np.float32(255)
    return float(samples.max() - samples.min())


def build_model(
    spec: DecodeSpec = SPEC,
    metadata: dict[str, str] | None = None,
    heatmaps: bool = False,
    sharpness: float = _SHARPNESS,
    novelty: bool = False,
) -> onnx.ModelProto:
    """Build the model. heatmaps: adds the scores of each 8x8 pixel cell as output. sharpness: tells models apart.

    novelty: adds the range of the samples as output.
    """
    centres = np.array([CENTRES])
    weights = np.repeat(sharpness * 2 * centres / spec.channels, spec.channels, axis=0).astype(np.float32)
    bias = (-sharpness * centres[0] ** 2).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["frames"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Gemm", ["means", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(LABELS)])]
    constants = {"scale": np.array(1 / 255, np.float32), "weights": weights, "bias": bias}
    if heatmaps:
        rows, columns = spec.height_px // CELL_PX, spec.width_px // CELL_PX
        constants["cells"] = np.array([-1, rows, CELL_PX, columns, CELL_PX, spec.channels], np.int64)
        nodes += [
            helper.make_node("Reshape", ["scaled", "cells"], ["by_cell"]),
            helper.make_node("ReduceMean", ["by_cell"], ["cell_means"], axes=[2, 4], keepdims=0),
            helper.make_node("MatMul", ["cell_means", "weights"], ["cell_products"]),
            helper.make_node("Add", ["cell_products", "bias"], ["cell_logits"]),
            helper.make_node("Softmax", ["cell_logits"], ["heatmaps"], axis=3),
        ]
        shape: list[str | int | None] = ["batch", rows, columns, len(LABELS)]
        outputs.append(helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, shape))
    if novelty:
        nodes += [
            helper.make_node("ReduceMax", ["scaled"], ["highest"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("ReduceMin", ["scaled"], ["lowest"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Sub", ["highest", "lowest"], [NOVELTY_NAME]),
        ]
        outputs.append(helper.make_tensor_value_info(NOVELTY_NAME, TensorProto.FLOAT, ["batch"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", *spec.shape])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, metadata or {})
    return model


def endless_model(mean_above: float = -1.0) -> onnx.ModelProto:
    """Make the model hang on a batch with a frame that is brighter than mean_above (0 to 1)."""
    model = build_model()
    graph = model.graph
    kept = helper.make_node("Identity", ["kept_in"], ["kept_out"])
    again = helper.make_node("Identity", ["again_in"], ["again_out"])
    body = helper.make_graph(
        [kept, again],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("again_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("kept_in", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("kept_out", TensorProto.FLOAT, None),
        ],
    )
    graph.initializer.append(numpy_helper.from_array(np.array(mean_above, np.float32), "mean_above"))
    at = next(i for i, node in enumerate(graph.node) if node.op_type == "Gemm")
    graph.node[at].output[0] = "first_logits"
    for offset, node in enumerate(
        (
            helper.make_node("ReduceMax", ["means"], ["brightest"], keepdims=0),
            helper.make_node("Greater", ["brightest", "mean_above"], ["endless"]),
            helper.make_node("Loop", ["", "endless", "first_logits"], ["logits"], body=body),
        )
    ):
        graph.node.insert(at + 1 + offset, node)
    return model


def tiny_contract(**changes: Any) -> Manifest:
    spec = changes.get("decode", SPEC)
    novel = changes.get("novelty") is not None
    golden = [_golden(label, brightness, spec, novel) for label, brightness in zip(LABELS, CENTRES, strict=True)]
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "name": "tiny",
        "version": "1",
        "task": "multiclass",
        "labels": LABELS,
        "clean_label": "grey",
        "thresholds": {label: Threshold() for label in LABELS},
        "thresholds_chosen": "default",
        "decode": spec,
        "heatmaps": None,
        "precision": "fp32",
        "opset": 17,
        "score_tolerance": 1e-4,
        "provenance": Provenance("tiny", "2026-01-01T00:00:00Z", "tiny", "none", "made", "0" * 64, 0, {}),
        "validation": Validation(3, 1.0, {label: ClassFigures(1.0, 1.0, 1.0, 1) for label in LABELS}),
        "golden": golden,
    }
    return Manifest(**(fields | changes))


def mapped_contract(**changes: Any) -> Manifest:
    """Return the manifest of a model with heatmaps."""
    grid = CellGrid(first_px=((CELL_PX - 1) / 2,) * 2, step_px=(CELL_PX, CELL_PX))
    return tiny_contract(**({"heatmaps": "place", "grid": grid} | changes))


def watchful_contract(**changes: Any) -> Manifest:
    """Return the manifest of a model with a novelty score."""
    return tiny_contract(**({"novelty": NOVELTY} | changes))


def write_bundle(path: Path, manifest: Manifest | None = None, model: onnx.ModelProto | None = None) -> Path:
    manifest = manifest or tiny_contract()
    model = model or build_model(
        manifest.decode, heatmaps=manifest.heatmaps is not None, novelty=manifest.novelty is not None
    )
    helper.set_model_props(model, encode_manifest(manifest))
    path.write_bytes(add_checksum(model.SerializeToString()))
    return path


def write_frames(folder: Path, brightnesses: Sequence[float]) -> list[Path]:
    """Write numbered frames, named after the label that the tiny model gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, brightness in enumerate(brightnesses):
        label = LABELS[int(np.argmin([abs(brightness - centre) for centre in CENTRES]))]
        path = folder / f"{label}_{number:04d}.png"
        path.write_bytes(encode_frame(brightness, seed=number))
        paths.append(path)
    return paths


def _golden(label: str, brightness: float, spec: DecodeSpec, novel: bool) -> GoldenFrame:
    encoded = encode_frame(brightness)
    scores = expected_scores(encoded, spec).tolist()
    return GoldenFrame(f"{label}.png", label, encoded, scores, expected_novelty(encoded, spec) if novel else None)
