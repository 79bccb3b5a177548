from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.onnx_file.onnx_checks import check_graph
from tests.tiny import build_model, write_bundle


def custom(model: onnx.ModelProto) -> None:
    model.graph.node[1].domain = "com.example.plant"


def with_context(model: onnx.ModelProto) -> None:
    """Return an operator of ONNX Runtime that names a file to load."""
    node = helper.make_node("EPContext", [], ["x"], domain="com.microsoft", ep_cache_context="/tmp/engine")
    model.graph.node.append(node)


def in_a_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([helper.make_node("Anything", [], ["y"], domain="ai.onnx.contrib")], "b", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))


def in_a_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Anything", ["a"], ["b"], domain="elsewhere")
    model.functions.append(helper.make_function("local", "F", ["a"], ["b"], [node], model.opset_import))


def external(tensor: TensorProto) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/hostname"


def weights_elsewhere(model: onnx.ModelProto) -> None:
    external(model.graph.initializer[1])


def location_alone(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].data_location = TensorProto.EXTERNAL


def constant_elsewhere(model: onnx.ModelProto) -> None:
    tensor = helper.make_tensor("k", TensorProto.FLOAT, [1], [0.0])
    external(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["k"], value=tensor))


def sparse_elsewhere(model: onnx.ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add()
    external(sparse.values)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (custom, "its operator 'Mul' of domain 'com.example.plant' is not part of the ONNX standard"),
        (with_context, "its operator 'EPContext' of domain 'com.microsoft'"),
        (in_a_branch, "of domain 'ai.onnx.contrib'"),
        (in_a_function, "of domain 'elsewhere'"),
        (weights_elsewhere, "its tensor '(scale|weights|bias)' is stored in another file"),
        (location_alone, "is stored in another file"),
        (constant_elsewhere, "its tensor 'k' is stored in another file"),
        (sparse_elsewhere, "is stored in another file"),
    ],
)
def test_rejects_external_data_and_custom_operators(
    spoil: Callable[[onnx.ModelProto], None], sentence: str, tmp_path: Path
) -> None:
    model = build_model()
    spoil(model)
    with pytest.raises(BundleError, match=sentence):
        read_bundle(write_bundle(tmp_path / "spoiled.onnx", model=model))


def test_accepts_a_self_contained_graph(tmp_path: Path) -> None:
    read_bundle(write_bundle(tmp_path / "sound.onnx", model=build_model(heatmaps=True)))
    model = build_model()
    model.opset_import.append(
        helper.make_opsetid("com.microsoft", 1)
    )  # declared by converters, but not used by any node
    check_graph(model.SerializeToString())


def test_rejects_a_deeply_nested_graph() -> None:
    graph = helper.make_graph([], "inner", [], [])
    for _ in range(25):
        node = helper.make_node("Loop", [], [], body=graph)
        graph = helper.make_graph([node], "outer", [], [])
    with pytest.raises(BundleError, match="messages deep"):
        check_graph(helper.make_model(graph).SerializeToString())
