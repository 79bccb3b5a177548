import cv2
import numpy as np
import onnx
import pytest

from stripwatch.training.frontier.measure.frame_cost import Round, measure_round, open_subject, summarize
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import INPUT_NAME

SPEC = DecodeSpec(16, 24, colour="grey")


def mean_graph() -> bytes:
    """Return a graph that computes the mean of a frame."""
    value = onnx.helper.make_tensor_value_info
    nodes = [
        onnx.helper.make_node("Cast", [INPUT_NAME], ["pixels"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceMean", ["pixels"], ["scores"], axes=[1, 2, 3], keepdims=0),
    ]
    inputs = [value(INPUT_NAME, onnx.TensorProto.UINT8, ["batch", *SPEC.shape])]
    outputs = [value("scores", onnx.TensorProto.FLOAT, ["batch"])]
    graph = onnx.helper.make_graph(nodes, "mean", inputs, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def frames() -> list[bytes]:
    rng = np.random.default_rng(1)
    return [cv2.imencode(".png", rng.integers(0, 256, (40, 60), np.uint8))[1].tobytes() for _ in range(3)]


@pytest.mark.parametrize("batch", [None, 4])
def test_a_round_decodes_and_infers_real_frames(batch: int | None) -> None:
    subject = open_subject(mean_graph(), SPEC, frames(), batch)
    assert subject.pixels.shape == (3, *SPEC.shape)
    assert subject.batch in ((1, 4, 16) if batch is None else (4,))
    assert subject.session.get_session_options().intra_op_num_threads == 1
    found = measure_round(subject)
    assert 0 < found.decode_ms < 100
    assert 0 < found.inference_ms < 100


def test_a_cost_is_the_median_of_the_rounds_with_its_range() -> None:
    cost = summarize([Round(1.0, 2.0), Round(1.5, 7.5), Round(1.2, 2.2)], batch=4)
    assert (cost.decode_ms, cost.inference_ms) == (1.2, 2.2)
    assert cost.total_ms == pytest.approx(3.4)
    assert (cost.total_low_ms, cost.total_high_ms, cost.rounds, cost.batch) == (3.0, 9.0, 3, 4)
    assert cost.frames_per_second == pytest.approx(1000 / 3.4)
