"""Gradients of depthwise convolutions in mixed precision, against those of PyTorch in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from chromalab.nets.depthwise import Padding, mixed_depthwise
from chromalab.nets.efficientnet_lite import EfficientNetLite, SameConv2d

BFLOAT16 = 2.0**-8
"""Largest relative rounding error of bfloat16."""


def relative(value: Tensor, reference: Tensor) -> float:
    return float(((value.double() - reference).norm() / reference.norm()).detach())


@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (2, 2, 2, 2), (1, 2, 0, 1), (0, 0, 0, 0), (0, 1, 2, 2)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_are_those_of_double_precision(kernel: int, stride: int, padding: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(kernel * 10 + stride)
    shapes = ((3, 16, 9, 12), (16, 1, kernel, kernel), (16,))
    exact = [torch.randn(shape, generator=generator).bfloat16().double().requires_grad_() for shape in shapes]
    x, weight, bias = (tensor.detach().bfloat16().requires_grad_() for tensor in exact)
    with torch.autocast("cpu", torch.bfloat16):
        output = mixed_depthwise(x, weight, bias, stride, Padding(*padding))
    expected = functional.conv2d(functional.pad(exact[0], padding), exact[1], exact[2], stride, groups=16)
    assert output.dtype == torch.bfloat16
    assert relative(output, expected) < BFLOAT16
    towards = torch.randn(expected.shape, generator=generator).bfloat16()
    found = torch.autograd.grad(output, (x, weight, bias), towards)
    for value, reference in zip(found, torch.autograd.grad(expected, exact, towards.double()), strict=True):
        assert value.shape == reference.shape
        assert relative(value, reference) < BFLOAT16


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (8, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_same_convolutions_use_them_at_any_size(kernel: int, stride: int, height: int, width: int) -> None:
    layer = SameConv2d(8, 8, kernel_size=kernel, stride=stride, groups=8)
    x = torch.randn((2, 8, height, width), generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(x)
    expected = layer(x)
    assert output.grad_fn.name() == "_DepthwiseBackward"
    assert output.shape == expected.shape
    wanted = (x, *layer.parameters())
    towards = torch.ones_like(expected)
    found = torch.autograd.grad(output, wanted, towards.bfloat16())
    for value, reference in zip(found, torch.autograd.grad(expected, wanted, towards), strict=True):
        assert relative(value, reference.double()) < 0.02


def test_gradients_of_a_network_are_close_to_those_of_single_precision() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EfficientNetLite()
    rgb = torch.rand((2, 3, 40, 33), generator=torch.Generator().manual_seed(1))

    def gradients() -> Tensor:
        loss = torch.stack([tap.float().square().mean() for tap in network.taps(rgb)]).sum()
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, tuple(network.parameters()))])

    with torch.autocast("cpu", torch.bfloat16):
        mixed = gradients()
    assert float(functional.cosine_similarity(mixed, gradients(), dim=0)) > 0.999
