"""FID's Inception: the published names and shapes, and its differences from other versions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chromalab.nets.inception_fid import FEATURES, Block8, Block35, ConvUnit, InceptionFID
from chromalab.weights.manifest import MANIFEST


@pytest.fixture(scope="module")
def network() -> InceptionFID:
    torch.manual_seed(0)
    return InceptionFID().eval()


def test_the_tensors_are_the_published_ones(network: InceptionFID) -> None:
    published = {name: shape for name, shape in MANIFEST["inception_fid"].shapes.items() if not name.startswith("fc.")}
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == published


def test_a_unit_is_convolution_normalization_and_rectifier() -> None:
    torch.manual_seed(1)
    unit, norm = ConvUnit(3, 4, (1, 7)), nn.BatchNorm2d(4, eps=1e-3).eval()
    for name, tensor in norm.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(4) + 0.5)
            unit.bn.state_dict()[name].copy_(tensor)
    x = torch.randn(2, 3, 9, 9)
    expected = norm(nn.functional.conv2d(x, unit.conv.weight, padding=(0, 3))).relu()
    torch.testing.assert_close(unit(x), expected)


def last_branch_by_hand(block: Block8 | Block35, x: torch.Tensor, *, mean: bool) -> torch.Tensor:
    """Return the last branch with pooling written as a loop over pixels and their neighbors."""
    pooled = torch.empty_like(x)
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            around = x[:, :, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].flatten(2)
            pooled[:, :, row, column] = around.mean(dim=2) if mean else around.amax(dim=2)
    branch: torch.Tensor = block.branch_pool(pooled)
    return branch


def test_means_exclude_the_padding_and_the_last_block_uses_a_maximum(network: InceptionFID) -> None:
    for block, channels_in, channels, mean in (
        (network.Mixed_5b, 192, 32, True),
        (network.Mixed_7b, 1280, 192, True),
        (network.Mixed_7c, 2048, 192, False),
    ):
        x = torch.randn(1, channels_in, 4, 5)
        torch.testing.assert_close(block(x)[:, -channels:], last_branch_by_hand(block, x, mean=mean))


@pytest.mark.slow
@torch.inference_mode()
def test_sizes_of_feature_maps_are_those_of_the_paper(network: InceptionFID) -> None:
    sizes: dict[str, tuple[int, ...]] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: sizes.update({name: tuple(out.shape[1:])}))
        for name, layer in network.named_children()
    ]
    (maps,) = network.taps(torch.rand(1, 3, 70, 50))
    for hook in hooks:
        hook.remove()
    assert maps.shape == (1, FEATURES, 8, 8)
    assert maps.isfinite().all()
    assert sizes["Conv2d_1a_3x3"] == (32, 149, 149)
    assert sizes["Conv2d_2b_3x3"] == (64, 147, 147)
    assert sizes["Conv2d_4a_3x3"] == (192, 71, 71)
    assert [sizes[f"Mixed_{name}"] for name in ("5b", "5d", "6a", "6e", "7a", "7b")] == [
        (256, 35, 35),
        (288, 35, 35),
        (768, 17, 17),
        (768, 17, 17),
        (1280, 8, 8),
        (2048, 8, 8),
    ]
