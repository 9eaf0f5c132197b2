"""Export of a trained colorizer to an ONNX file that runs without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT
from chromalab.color.bins_torch import TEMPERATURE
from chromalab.color.spaces import AB_SCALE
from chromalab.core.errors import UsageError
from chromalab.core.files import sha256_bytes, write_bytes, write_text
from chromalab.losses.compose import bin_weights
from chromalab.nets.efficientnet_lite import EfficientNetLite, SameConv2d
from chromalab.nets.encoders import ENCODERS
from chromalab.nets.trunks import IMAGENET_MEAN, IMAGENET_STD, Trunk
from chromalab.nets.unet import BINS_STRIDE, Level
from chromalab.training.checkpoints import load_bin_weights
from chromalab.weights.colorizers import ColorizerSpec, InputSpec, OutputSpec, SizeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.nets.efficientnet_lite import InvertedBottleneck
    from chromalab.nets.unet import Colorizer, UNet


def export_colorizer(
    colorizer: Colorizer,
    path: Path,
    *,
    name: str,
    half: bool = True,
    size: SizeSpec | None = None,
    bin_weights: NDArray[np.float64] | None = None,
    **facts: object,
) -> ColorizerSpec:
    """Write a colorizer as an ONNX file, and its record beside it.

    Args:
        colorizer: the trained network, on the CPU.
        path: the ONNX file; the record gets the same name with `.yaml`.
        name: the model's name in metadata.
        half: store the weights in half precision.
        size: input size of the network; None means shorter sides of 256 px.
        bin_weights: weights of the bins in the objective, (313,), whose effect on the exported logits is undone.
        facts: other attributes of the record, see `ColorizerSpec`.

    Raises:
        UsageError: the encoder has no ONNX form.
        OutputError: a file can't be written.
    """
    data = colorizer_graph(colorizer, half=half, bin_weights=bin_weights).SerializeToString()
    lab = colorizer.space.name == "lab"
    bins = "bin_logits" if colorizer.unet.bins_head is not None else None
    spec = ColorizerSpec.parse(
        {
            "name": name,
            "input": InputSpec(content="lightness", scale=0.01) if lab else InputSpec(content="luma"),
            "size": size or SizeSpec(),
            "output": OutputSpec(name="ab" if lab else "rgb", content="ab" if lab else "rgb", bins=bins),
            "sha256": sha256_bytes(data),
            **facts,
        },
        origin="the exported model",
    )
    write_bytes(path, data)
    save_spec(path.with_suffix(".yaml"), spec)
    return spec


def trained_bin_weights(
    folder: Path, formula: str, prior: Callable[[], NDArray[np.float64] | None]
) -> NDArray[np.float64] | None:
    """Return the weights of the bins with which a training ran, (313,), or None if it had none.

    Args:
        folder: the folder of the training.
        formula: its objective in the canonical form.
        prior: see `losses.compose.bin_weights`. It is needed for trainings of older versions, which kept no weights.
    """
    kept = load_bin_weights(folder)
    return bin_weights(formula, prior) if kept is None else kept


def save_spec(path: Path, spec: ColorizerSpec) -> None:
    """Write a model's record without attributes that have their defaults."""
    plain = {"name": spec.name} | spec.model_dump(mode="json", exclude_defaults=True)
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120))


OPSET = 17
"""The newest operator set that ONNX Runtime 1.12 supports."""

_IR_VERSION = 8
_SMALL = 64
"""Tensors with fewer values are stored in single precision, because nothing would be saved."""


class GraphWriter:
    """Collects the nodes and weights of a graph; the methods add nodes and return the name of the output.

    Args:
        module: the module, whose parameters keep their names in the file, so that a training can start from it.
        half: store large weights in half precision.
    """

    def __init__(self, module: nn.Module, *, half: bool) -> None:
        self._half = half
        self._names = {id(parameter): name for name, parameter in module.named_parameters()}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node with one output."""
        output = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def parameter(self, parameter: Tensor) -> str:
        """Add a parameter of the module under its own name."""
        return self.tensor(parameter.detach().numpy(), self._names[id(parameter)])

    def tensor(self, values: NDArray[Any], name: str | None = None) -> str:
        """Add a constant tensor; if the graph is `half`, large float32 tensors are stored in half precision."""
        name = name or f"constant_{len(self._weights)}"
        stored = values.astype(np.float16) if self._stored_half(values) else values
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(stored), name))
        return self.node("Cast", name, to=TensorProto.FLOAT) if stored.dtype == np.float16 else name

    def _stored_half(self, values: NDArray[Any]) -> bool:
        return self._half and values.dtype == np.float32 and values.size >= _SMALL

    def number(self, value: float) -> str:
        """Add a constant number."""
        return self.tensor(np.array(value, dtype=np.float32))

    def ints(self, *values: int) -> str:
        """Add a constant tensor of integers, for shapes and axes."""
        return self.tensor(np.array(values, dtype=np.int64))

    def conv(self, x: str, layer: nn.Conv2d) -> str:
        """Add a convolution; the padding of a `SameConv2d` depends on the size of the image."""
        inputs = [x, self.parameter(layer.weight)]
        if layer.bias is not None:
            inputs.append(self.parameter(layer.bias))
        padding: dict[str, Any] = {"auto_pad": "SAME_UPPER"}
        if not isinstance(layer, SameConv2d):
            down, across = (int(side) for side in layer.padding)
            padding = {"pads": [down, across, down, across]}
        return self.node(
            "Conv",
            *inputs,
            strides=list(layer.stride),
            group=layer.groups,
            kernel_shape=list(layer.kernel_size),
            **padding,
        )

    def linear(self, x: str, layer: nn.Linear) -> str:
        """Add a linear layer on a map of one pixel as a 1x1 convolution."""
        axes = self.ints(2, 3)
        kernel = self.node("Unsqueeze", self.parameter(layer.weight), axes)
        return self.node("Conv", x, kernel, self.parameter(layer.bias), kernel_shape=[1, 1])

    def size_of(self, x: str) -> str:
        """Add the height and width of a map."""
        return self.node("Slice", self.node("Shape", x), self.ints(2), self.ints(4))

    def resize(self, x: str, like: str, mode: str) -> str:
        """Resize `x` to the height and width of `like`, with mode `nearest`, or `linear` with aligned pixel centers."""
        size = self.node(
            "Concat", self.node("Slice", self.node("Shape", x), self.ints(0), self.ints(2)), self.size_of(like), axis=0
        )
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        if mode == "linear":
            how = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
        return self.node("Resize", x, "", "", size, **how)

    def relu6(self, x: str) -> str:
        """Add a rectifier that clips at 6."""
        return self.node("Clip", x, self.number(0), self.number(6))

    def scaled(self, x: str, factor: float, offset: float = 0.0) -> str:
        """Add factor * x + offset."""
        y = self.node("Mul", x, self.number(factor))
        return self.node("Add", y, self.number(offset)) if offset else y

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> onnx.ModelProto:
        """Return the checked model."""
        graph = helper.make_graph(self._nodes, "colorizer", list(inputs), list(outputs), self._weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION, producer_name="chromalab"
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def colorizer_graph(
    colorizer: Colorizer, *, half: bool, bin_weights: NDArray[np.float64] | None = None
) -> onnx.ModelProto:
    """Return the graph of a colorizer, for images of any size.

    The input is `lightness`, (1, 1, H, W) in [0, 1]: L* / 100 for a network trained in Lab, luma for the others. The
    output is `ab` in CIELAB units, (1, 2, H, W), for a network trained in Lab, and unclipped `rgb` in [0, 1] for the
    others. A network with a bins head also has the output `bin_logits`, (1, 313, ceil(H / 4), ceil(W / 4)).

    A training that weights rare colors more predicts too much of them. The color comes from this distribution as in the
    training, and `bin_logits` are those of the colors as frequent as they are.

    Args:
        colorizer: the network, on the CPU.
        half: store weights in half precision; the graph still computes in single precision.
        bin_weights: weights of the bins in the objective, (313,); None if all were equal.

    Raises:
        UsageError: the encoder has no ONNX form.
    """
    graph = GraphWriter(colorizer, half=half)
    lightness = "lightness"
    color, bins = _heads(graph, colorizer.unet, lightness)
    parts = []
    if color is not None:
        parts.append(_regressed(graph, colorizer, lightness, color))
    if bins is not None and colorizer.color_from != "head":
        parts.append(graph.resize(_annealed_mean(graph, bins), lightness, "linear"))
    mean = parts[0] if len(parts) == 1 else graph.scaled(graph.node("Add", *parts), 1 / len(parts))
    output = graph.node("Identity", mean, name="ab" if colorizer.space.name == "lab" else "rgb")
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, None, "height", "width"])]
    if bins is not None:
        offset = -np.log(np.ones(BIN_COUNT) if bin_weights is None else bin_weights).astype(np.float32)
        bins = graph.node("Add", bins, graph.tensor(offset.reshape(1, -1, 1, 1)), name="bin_logits")
        outputs.append(helper.make_tensor_value_info(bins, TensorProto.FLOAT, [1, None, "rows", "columns"]))
    return graph.model(
        [helper.make_tensor_value_info(lightness, TensorProto.FLOAT, [1, 1, "height", "width"])], outputs
    )


def _heads(graph: GraphWriter, unet: UNet, lightness: str) -> tuple[str | None, str | None]:
    """Add encoder, decoder and heads as in `UNet.forward`, without the class head."""
    rgb = graph.node("Concat", lightness, lightness, lightness, axis=1)
    maps = _taps(graph, unet.encoder, rgb)
    taps = [graph.scaled(tap, 1 / scale) if scale != 1 else tap for tap, scale in zip(maps, unet.scales, strict=True)]
    x, bins = taps[-1], None
    context = None
    if unet.context is not None:
        pooled = graph.node("GlobalAveragePool", x)
        context = graph.node("Relu", graph.linear(pooled, unet.context))
    for level, skip, stride in zip(unet.levels, taps[-2::-1], unet.strides[-2::-1], strict=False):
        if isinstance(level, Level):
            x = _level(graph, level, x, skip, context)
        else:
            joined = graph.node("Concat", graph.resize(x, skip, "nearest"), skip, axis=1)
            x = graph.node("Relu", graph.conv(joined, level))  # type: ignore[arg-type]
        if stride == BINS_STRIDE and unet.bins_head is not None:
            bins = graph.conv(x, unet.bins_head)
    if unet.head is None:
        return None, bins
    return graph.resize(graph.conv(x, unet.head), rgb, "linear"), bins


def _level(graph: GraphWriter, level: Level, x: str, skip: str, context: str | None) -> str:
    """Add a level of the stride-4 decoder as in `Level.forward`."""
    up = graph.resize(graph.conv(x, level.reduce), skip, "nearest")
    merged = graph.conv(graph.node("Concat", up, skip, axis=1), level.merge)
    if level.context is not None and context is not None:
        merged = graph.node("Add", merged, graph.linear(context, level.context))
    merged = graph.node("Relu", merged)
    return graph.node("Relu", graph.node("Add", merged, graph.conv(merged, level.refine)))


def _taps(graph: GraphWriter, encoder: nn.Module, rgb: str) -> list[str]:
    if isinstance(encoder, EfficientNetLite):
        return _lite_taps(graph, encoder, rgb)
    if isinstance(encoder, Trunk):
        return _trunk_taps(graph, encoder, rgb)
    raise UsageError(
        f"there is no ONNX form of the encoder {type(encoder).__name__}: train with one of {', '.join(ENCODERS)}"
    )


def _lite_taps(graph: GraphWriter, encoder: EfficientNetLite, rgb: str) -> list[str]:
    x = graph.relu6(graph.conv(graph.scaled(rgb, 255 / 128, -127 / 128), encoder.stem))
    taps = []
    for index, block in enumerate(encoder.blocks):
        x = _bottleneck(graph, block, x)  # type: ignore[arg-type]
        if index in encoder.tap_blocks:
            taps.append(x)
    return taps


def _bottleneck(graph: GraphWriter, block: InvertedBottleneck, x: str) -> str:
    wide = x if block.expand is None else graph.relu6(graph.conv(x, block.expand))
    y = graph.conv(graph.relu6(graph.conv(wide, block.depthwise)), block.project)
    return graph.node("Add", y, x) if block.has_skip else y


def _trunk_taps(graph: GraphWriter, trunk: Trunk, rgb: str) -> list[str]:
    x, taps = _imagenet_normalized(graph, rgb), []
    for place, layer in enumerate(trunk.features):
        if isinstance(layer, nn.Conv2d):
            x = graph.conv(x, layer)
        elif isinstance(layer, nn.ReLU):
            x = graph.node("Relu", x)
        else:
            x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        if place in trunk.tap_layers:
            taps.append(x)
    return taps


def _imagenet_normalized(graph: GraphWriter, rgb: str) -> str:
    """Add the input normalization of torchvision's networks."""
    mean, std = (np.array(values, dtype=np.float32).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return graph.node("Div", graph.node("Sub", rgb, graph.tensor(mean)), graph.tensor(std))


def _annealed_mean(graph: GraphWriter, logits: str) -> str:
    """Add the annealed mean of the bins: a softmax of logits / T, then a 1x1 convolution with the bins' centers."""
    share = graph.node("Softmax", graph.scaled(logits, 1 / TEMPERATURE), axis=1)
    centers = BIN_CENTERS.T.astype(np.float32)[:, :, None, None]
    return graph.node("Conv", share, graph.tensor(centers), kernel_shape=[1, 1])


def _regressed(graph: GraphWriter, colorizer: Colorizer, lightness: str, difference: str) -> str:
    """Add gray + reach * tanh(difference), converted to CIELAB's ab or to RGB."""
    color = graph.scaled(graph.node("Tanh", difference), colorizer.space.reach)
    if colorizer.space.name == "lab":
        return graph.scaled(color, AB_SCALE)
    if colorizer.space.name == "rgb":  # (2 L - 1 + color + 1) / 2
        return graph.node("Add", lightness, graph.scaled(color, 0.5))
    return _rgb_of_yuv(graph, lightness, color)


def _rgb_of_yuv(graph: GraphWriter, luma: str, color: str) -> str:
    """Add RGB = Y + M (U / .436, V / .615), with M from the definition of luma (see `color.spaces`)."""
    matrix = np.array([[0, 0.701], [-0.114 * 0.886 / 0.587, -0.299 * 0.701 / 0.587], [0.886, 0]], dtype=np.float32)
    chroma = graph.node("Conv", color, graph.tensor(matrix[:, :, None, None]), kernel_shape=[1, 1])
    return graph.node("Add", luma, chroma)
