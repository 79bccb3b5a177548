import numpy as np
import onnx
import pytest

from stripwatch.export.convert.ort_cpu import Outputs
from stripwatch.export.convert.parity import check_parity
from stripwatch.worker.common.errors import ExportRejectedError

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)


def mean_model() -> bytes:
    """Build a model whose heatmaps are the frames as float32, and whose scores are the means of the heatmaps.

    Its novelty score is the largest value of a frame.
    """
    batch: list[str | int | None] = ["batch", 4, 4, 3]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Cast", ["frames"], ["heatmaps"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("ReduceMean", ["heatmaps"], ["scores"], axes=[1, 2], keepdims=0),
            onnx.helper.make_node("ReduceMax", ["heatmaps"], ["novelty"], axes=[1, 2, 3], keepdims=0),
        ],
        "mean",
        [onnx.helper.make_tensor_value_info("frames", onnx.TensorProto.UINT8, batch)],
        [
            onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", 3]),
            onnx.helper.make_tensor_value_info("heatmaps", onnx.TensorProto.FLOAT, batch),
            onnx.helper.make_tensor_value_info("novelty", onnx.TensorProto.FLOAT, ["batch"]),
        ],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model: bytes = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return model


def expected() -> Outputs:
    heatmaps = FRAMES.astype(np.float32)
    return {"scores": heatmaps.mean(axis=(1, 2)), "heatmaps": heatmaps, "novelty": heatmaps.max(axis=(1, 2, 3))}


def test_identical_outputs_pass() -> None:
    parity = check_parity(mean_model(), FRAMES, expected())
    assert parity.score_difference <= 5e-5
    assert (parity.heatmap_difference, parity.novelty_difference) == (0, 0)


def test_a_model_without_heatmaps_and_novelty_has_no_such_differences() -> None:
    parity = check_parity(mean_model(), FRAMES, {"scores": expected()["scores"]})
    assert (parity.heatmap_difference, parity.novelty_difference) == (None, None)


@pytest.mark.parametrize(
    ("output", "by", "message"),
    [
        ("scores", 1e-3, "scores differ by 0.001 at batch size 1, the limit is 5e-05; nothing was written"),
        ("scores", float("nan"), "scores differ by nan"),
        ("heatmaps", 1.0, "heatmaps relative to their maximum differ by 0.0039"),
        (
            "novelty",
            0.1,
            "novelty scores in standard deviations differ by 0.0[0-9]* at batch size 1, the limit is 0.01",
        ),
        ("novelty", float("nan"), "novelty scores in standard deviations differ by nan"),
    ],
)
def test_rejects_a_single_differing_value_and_states_the_difference(output: str, by: float, message: str) -> None:
    keras = expected()
    keras[output][8:].flat[0] += by  # a frame in the last batch
    with pytest.raises(ExportRejectedError, match=message):
        check_parity(mean_model(), FRAMES, keras)


def test_rejects_a_model_that_onnx_runtime_cannot_load() -> None:
    with pytest.raises(ExportRejectedError, match="ONNX Runtime cannot load the converted model"):
        check_parity(b"no model", FRAMES, expected())
