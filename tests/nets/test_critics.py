from __future__ import annotations

import pytest
import torch

from chromalab.nets.critics import PatchCritic


def critic(width: float = 0.25, channels: int = 2) -> PatchCritic:
    return PatchCritic(channels, width=width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("size", "patches"), [((224, 224), (28, 28)), ((96, 130), (12, 17)), ((1, 9), (1, 2))])
def test_there_is_a_score_for_each_eight_pixels(size: tuple[int, int], patches: tuple[int, int]) -> None:
    scores = critic()(torch.zeros(2, 1, *size), torch.zeros(2, 2, *size))
    assert scores.shape == (2, *patches)


def test_the_full_critic_has_the_published_layers() -> None:
    network = critic(width=1.0)
    kernels = [tuple(conv.weight.shape) for conv in network.convs if isinstance(conv, torch.nn.Conv2d)]
    assert kernels == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1, 512, 4, 4)]


def test_no_batch_norm_so_each_picture_is_scored_alone() -> None:
    network = critic()
    generator = torch.Generator().manual_seed(1)
    lightness, color = torch.rand(4, 1, 32, 32, generator=generator), torch.rand(4, 2, 32, 32, generator=generator)
    together = network(lightness, color)
    singles = torch.cat([network(lightness[i : i + 1], color[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, singles)


def test_padding_is_tensorflows_same() -> None:
    # A 4x4 window at stride 1 pads one pixel before and two after; at stride 2 on an even side one and one.
    network = critic(width=1 / 64)
    with torch.no_grad():
        for conv in network.convs:
            assert isinstance(conv, torch.nn.Conv2d)
            conv.weight.fill_(1.0)
            assert conv.bias is not None
            conv.bias.zero_()
    scores = network(torch.ones(1, 1, 64, 64), torch.zeros(1, 2, 64, 64))[0]
    # so the windows of the two stride-1 layers lose one row at the top, and two at the bottom
    assert scores[0, 0] > scores[-1, -1]
    torch.testing.assert_close(scores, scores.T)
