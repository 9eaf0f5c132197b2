"""Small artificial colorizers in ONNX files, with all input and output formats that a record can describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from chromalab.core.files import sha256_file
from chromalab.training.export import save_spec
from chromalab.weights.colorizers import ColorizerSpec

if TYPE_CHECKING:
    from pathlib import Path


def one_by_one(weight: Any, bias: Any) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """Return a graph that maps `x` to `y` by a matrix over channels and an offset."""
    matrix = np.asarray(weight, dtype=np.float32)[..., None, None]
    tensors = [numpy_helper.from_array(matrix, "w"), numpy_helper.from_array(np.asarray(bias, dtype=np.float32), "b")]
    return tensors, [helper.make_node("Conv", ["x", "w", "b"], ["y"])]


def write_model(path: Path, weight: Any, bias: Any, spec: dict[str, Any], **zeros: int) -> Path:
    """Write a model that computes weight @ x + bias at every pixel, with its record; `zeros` are unused inputs."""
    tensors, nodes = one_by_one(weight, bias)
    channels_out, channels_in = np.asarray(weight).shape
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels_in, "h", "w_"])]
    output = "y"
    for name, channels in zeros.items():
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "h", "w_"]))
        axes = numpy_helper.from_array(np.array([1, 2, 3]), f"{name}_axes")
        tensors += [axes]
        nodes += [helper.make_node("ReduceSum", [name, f"{name}_axes"], [f"{name}_sum"], keepdims=1)]
        nodes += [helper.make_node("Add", [output, f"{name}_sum"], [f"with_{name}"])]
        output = f"with_{name}"
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, channels_out, "h", "w_"])]
    graph = helper.make_graph(nodes, "made_up", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    record = {"name": path.stem, "sha256": sha256_file(path)} | spec
    save_spec(path.with_suffix(".yaml"), ColorizerSpec.parse(record, origin="test"))
    return path


def constant_ab(path: Path, a: float, b: float, **spec: Any) -> Path:
    """Write a model that predicts the same chroma everywhere."""
    return write_model(path, [[0.0], [0.0]], [a, b], spec)
