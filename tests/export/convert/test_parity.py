import numpy as np
import onnx
import pytest

from stripwatch.export.convert.ort_cpu import Outputs
from stripwatch.export.convert.parity import prove_parity
from stripwatch.worker.common.errors import ExportRejectedError

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)


def mean_model() -> bytes:
    """frames -> heatmaps: the frames as float32; scores: their mean over places."""
    batch: list[str | int | None] = ["batch", 4, 4, 3]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Cast", ["frames"], ["heatmaps"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("ReduceMean", ["heatmaps"], ["scores"], axes=[1, 2], keepdims=0),
        ],
        "mean",
        [onnx.helper.make_tensor_value_info("frames", onnx.TensorProto.UINT8, batch)],
        [
            onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", 3]),
            onnx.helper.make_tensor_value_info("heatmaps", onnx.TensorProto.FLOAT, batch),
        ],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model: bytes = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return model


def expected() -> Outputs:
    heatmaps = FRAMES.astype(np.float32)
    return {"scores": heatmaps.mean(axis=(1, 2)), "heatmaps": heatmaps}


def test_the_same_outputs_agree() -> None:
    parity = prove_parity(mean_model(), FRAMES, expected())
    assert parity.score_difference <= 5e-5
    assert parity.heatmap_difference == 0


@pytest.mark.parametrize(
    ("output", "by", "says"),
    [
        ("scores", 1e-3, "scores differ by 0.001 at batch size 1, allowed is 5e-05; nothing was written"),
        ("scores", float("nan"), "scores differ by nan"),
        ("heatmaps", 1.0, "heatmaps, over their largest value, differ by 0.0039"),
    ],
)
def test_one_value_that_differs_is_refused_by_how_much(output: str, by: float, says: str) -> None:
    keras = expected()
    keras[output][8].flat[1] += by  # a frame of the last batch
    with pytest.raises(ExportRejectedError, match=says):
        prove_parity(mean_model(), FRAMES, keras)


def test_a_file_that_cannot_run_is_refused() -> None:
    with pytest.raises(ExportRejectedError, match="ONNX Runtime cannot load the converted model"):
        prove_parity(b"no model", FRAMES, expected())
