"""Gradients of depthwise convolutions in mixed precision on a CPU.

oneDNN's kernels for two of these gradients are slow in bfloat16: by the kernel if it is larger than 3x3, and by the
input if the stride is 2. On a core with AMX they take up to a hundred times as long as the convolution itself. Both are
computed here from operations that are fast: a 5x5 kernel's gradient from those of four overlapping 3x3 kernels, and the
gradient by the input as a convolution of the outputs' gradients, spread to the input's size, with the turned kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight

if TYPE_CHECKING:
    from collections.abc import Callable

_FAST_KERNEL = 3
"""Side of the largest kernel whose gradient oneDNN computes quickly."""


class Padding(NamedTuple):
    """Zeros around a map."""

    left: int
    right: int
    top: int
    bottom: int

    @property
    def symmetric(self) -> bool:
        """Whether opposite sides are equal."""
        return self.left == self.right and self.top == self.bottom


def is_mixed_on_cpu(x: Tensor) -> bool:
    """Return whether convolutions of `x` run in mixed precision in oneDNN."""
    return x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.backends.mkldnn.is_available()


def mixed_depthwise(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: Padding) -> Tensor:
    """Return the depthwise convolution of `x` in autocast's precision, with faster gradients.

    Args:
        x: (B, C, H, W).
        weight: (C, 1, K, K) with K = 3 or 5.
        bias: (C,).
        stride: stride of both axes.
        padding: zeros around `x`, at most K - 1 on each side.
    """
    kind = torch.get_autocast_dtype("cpu")
    convolution = cast("Callable[..., Tensor]", _Depthwise.apply)
    return convolution(x.to(kind), weight.to(kind), bias.to(kind), stride, padding)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: Padding) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(functional.pad(x, padding), weight, bias, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        by_input = _by_input(gradient, x, weight, ctx.stride, ctx.padding)
        by_weight = _by_weight(gradient, functional.pad(x, ctx.padding), weight, ctx.stride)
        # As a product with ones, the sum uses the matrix unit, which adds in single precision.
        flat = gradient.permute(0, 2, 3, 1).flatten(0, 2)
        by_bias = (torch.ones_like(flat[:, :1]).T @ flat)[0]
        return by_input, by_weight, by_bias, None, None


def _by_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: Padding) -> Tensor:
    """Return the gradient (B, C, H, W) by `x`: the spread gradient (B, C, H + K - 1, W + K - 1) * the turned kernel."""
    batch, channels, height, width = x.shape
    side = weight.shape[-1]
    left, top = side - 1 - padding.left, side - 1 - padding.top
    turned = weight.flip(2, 3)
    if stride == 1 and padding.symmetric:
        return functional.conv2d(gradient, turned, padding=(top, left), groups=channels)
    spread = gradient.new_zeros((batch, height + side - 1, width + side - 1, channels)).permute(0, 3, 1, 2)
    rows, columns = ((outputs - 1) * stride + 1 for outputs in gradient.shape[2:])
    spread[:, :, top : top + rows : stride, left : left + columns : stride] = gradient
    return functional.conv2d(spread, turned, groups=channels)


def _by_weight(gradient: Tensor, padded: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient (C, 1, K, K) by the kernel, given the padded input.

    Each window of 3x3 kernel positions is the gradient of a 3x3 convolution of the input from the window's corner.
    """
    side = weight.shape[-1]
    by_weight = torch.empty_like(weight)
    rows, columns = ((outputs - 1) * stride + _FAST_KERNEL for outputs in gradient.shape[2:])
    for top in range(0, side - _FAST_KERNEL + 1, 2):
        for left in range(0, side - _FAST_KERNEL + 1, 2):
            window = (..., slice(top, top + _FAST_KERNEL), slice(left, left + _FAST_KERNEL))
            seen = padded[:, :, top : top + rows, left : left + columns]
            seen = seen.contiguous(memory_format=torch.channels_last)
            shape = (len(weight), 1, _FAST_KERNEL, _FAST_KERNEL)
            by_weight[window] = conv2d_weight(seen, shape, gradient, stride, groups=len(weight))
    return by_weight
