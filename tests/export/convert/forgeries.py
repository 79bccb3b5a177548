"""Manipulated bundles with a valid checksum, and gate limits that no export meets."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import onnx

from stripwatch.export.convert.accuracy_gate import GateLimits
from stripwatch.export.convert.pack import pack
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.bundle_reader import read_bundle

NOTHING_PASSES = GateLimits(agreement_min=1.0, score_difference_max=0.0, accuracy_drop_max=0.0, f1_drop_max=0.0)


Change = Callable[[onnx.ModelProto, Manifest], Manifest]


def reseal(exported: Path, out: Path, change: Change) -> Path:
    """Change the model or manifest and recompute the checksum, as a careful forger would."""
    proto = onnx.load(exported)
    manifest = change(proto, read_bundle(exported).manifest)
    out.write_bytes(pack(proto, manifest))
    return out


def constant_into(proto: onnx.ModelProto, op_type: str) -> str:
    """Return the name of the constant input of the first node with this operator."""
    constants = {each.name for each in proto.graph.initializer}
    node = next(each for each in proto.graph.node if each.op_type == op_type)
    return next(str(name) for name in node.input if name in constants)


def two_labels_swapped(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    first, second, *rest = manifest.labels
    return msgspec.structs.replace(manifest, labels=[second, first, *rest])
