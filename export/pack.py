"""Model and contract become one sealed file."""

from collections.abc import Sequence

import onnx

from export.convert import OPSET
from export.runfolder import Run
from worker.bundle import SCHEMA, Contract, GoldenFrame, Provenance, Threshold, encode_contract
from worker.onnxfile import seal

# Twice what an export may differ by, since the worker's provider rounds in its own way. What a golden frame is to catch
# (a swapped label, a scaled layer, another constant) moves a score by 1e-3 and more.
SCORE_TOLERANCE = 1e-4


def describe(
    run: Run, name: str, version: str, data: str, golden: Sequence[GoldenFrame], versions: dict[str, str]
) -> Contract:
    """The contract of a run exported in float32. data: the name of the data folder, without the path to it."""
    configuration = run.configuration
    provenance = Provenance(
        run_id=run.run_id,
        created_at=run.created_at,
        network=configuration.title,
        weights=configuration.weights,
        data=data,
        data_sha256=run.data_sha256,
        seed=configuration.seed,
        versions=run.versions | versions,
        commit=run.commit,
    )
    return Contract(
        schema=SCHEMA,
        name=name,
        version=version,
        task=configuration.task,
        labels=run.labels,
        clean_label=run.clean_label,
        thresholds={label: Threshold() for label in run.labels},
        thresholds_chosen="default",
        decode=run.decode,
        heatmaps="activation" if configuration.head == "gap" else None,
        precision="fp32",
        opset=OPSET,
        score_tolerance=SCORE_TOLERANCE,
        provenance=provenance,
        validation=run.validation,
        golden=list(golden),
    )


def pack(proto: onnx.ModelProto, contract: Contract) -> bytes:
    """The bytes of the bundle: the model with its contract as metadata, sealed."""
    onnx.helper.set_model_props(proto, encode_contract(contract))
    return seal(proto.SerializeToString())
