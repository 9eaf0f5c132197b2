"""Critics: networks that score how realistic colors are, for adversarial objectives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from chromalab.core.registry import Registry
from chromalab.nets.efficientnet_lite import same_padding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chromalab.color.spaces import TrainingSpace

Sees = Literal["pair", "color", "rgb"]
"""Input of a critic: the color with its lightness, the color alone, or the RGB image that both define."""

KERNEL = 4
"""Kernel size of every convolution of every critic, as published."""


def channels_seen(space: TrainingSpace, sees: Sees) -> int:
    """Return the number of input channels of a critic for colors in `space`."""
    return {"pair": 1 + space.channels, "color": space.channels, "rgb": 3}[sees]


class Critic(nn.Module):
    """A network that maps lightness and color to unbounded scores, which are higher for more realistic colors.

    With `pair` the critic is conditional, as in pix2pix and ChromaGAN: it can distinguish a green face from a green
    meadow. With `rgb`, as in DeOldify, BigColor and DDColor, its input is the image, whose colors are not clipped, so
    that out-of-gamut colors have a gradient.

    Args:
        space: the training space of the colors.
        network: maps the input (B, C, H, W), with C from `channels_seen`, to scores (B, h, w).
        sees: type of the input.
    """

    def __init__(self, space: TrainingSpace, network: nn.Module, sees: Sees = "pair") -> None:
        super().__init__()
        self.space = space
        self.network = network
        self.sees = sees

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        """Return scores (B, h, w) for lightness (B, 1, H, W) and color (B, C, H, W); h = w = 1 for whole images."""
        scores: Tensor = self.network(self.network_input(lightness, color))
        return scores

    def network_input(self, lightness: Tensor, color: Tensor) -> Tensor:
        """Return the input of the network for a batch, with each channel in about [-1, 1]."""
        if self.sees == "pair":
            return torch.cat([lightness, color], dim=1)
        return color if self.sees == "color" else 2 * self.space.decode(lightness, color) - 1


class ChromaGANCritic(nn.Module):
    """ChromaGAN's patch critic (Vitoria, Raad and Ballester 2020, section 3.3 and the published code).

    4x4 convolutions with 64 (stride 2), 128 (2), 256 (2), 512 (1) and 1 (1) channels and TensorFlow's SAME padding give
    28x28 scores at 224 px, each for 70x70 pixels. There is no batch norm, because the gradient penalty applies to each
    image separately (Gulrajani et al. 2017, section 4). Images can have any size from 1 pixel.

    Args:
        channels: input channels.
        width: factor on the channels of every hidden layer; 1 is the published critic.
        generator: source of the initial weights (Glorot uniform, Keras' default, as published).
    """

    leak = 0.3
    """Default slope of Keras' LeakyReLU, which the published code uses."""

    def __init__(self, channels: int, width: float, generator: torch.Generator) -> None:
        super().__init__()
        widths = [channels, *_widths((64, 128, 256, 512), width), 1]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, KERNEL, stride)
            for (before, after), stride in zip(pairwise(widths), (2, 2, 2, 1, 1), strict=True)
        )
        for conv in self.convs:
            nn.init.xavier_uniform_(cast("nn.Conv2d", conv).weight, generator=generator)
            nn.init.zeros_(cast("Tensor", conv.bias))

    def forward(self, seen: Tensor) -> Tensor:
        """Return scores (B, ceil(H / 8), ceil(W / 8)) for `seen` (B, C, H, W)."""
        for index, conv in enumerate(self.convs):
            if index:
                seen = F.leaky_relu(seen, self.leak)
            seen = conv(_pad_same(seen, cast("nn.Conv2d", conv).stride[0]))
        return seen.squeeze(1)


class PatchGAN70(nn.Module):
    """pix2pix' 70x70 PatchGAN, C64-C128-C256-C512 (Isola et al. 2017, section 6.1.2).

    4x4 convolutions padded by 1 give 30x30 scores at 256 px. Instance norm replaces batch norm: at the published batch
    size of 1 they are equal. In larger batches, batch norm would make an image's score depend on other images, which
    invalidates gradient penalties.

    Args:
        channels: input channels.
        width: factor on the channels of every hidden layer; 1 is the published critic.
        generator: source of the initial weights, N(0, 0.02) for convolutions and N(1, 0.02) for norms, as published.
    """

    def __init__(self, channels: int, width: float, generator: torch.Generator) -> None:
        super().__init__()
        hidden = _widths((64, 128, 256, 512), width)
        layers: list[nn.Module] = [_dcgan_conv(channels, hidden[0], 2, generator), nn.LeakyReLU(0.2)]
        for (before, after), stride in zip(pairwise(hidden), (2, 2, 1), strict=True):
            layers += [_dcgan_conv(before, after, stride, generator, bias=False), _norm(after, generator)]
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, _dcgan_conv(hidden[-1], 1, 1, generator))

    def forward(self, seen: Tensor) -> Tensor:
        """Return scores (B, H // 8 - 2, W // 8 - 2) for `seen` (B, C, H, W), with H and W at least 24."""
        scores: Tensor = self.layers(seen)
        return scores.squeeze(1)


class ImageCritic(nn.Module):
    """DCGAN's critic without norms, with six layers and one score for the whole image.

    4x4 convolutions with stride 2 reduce 256 px to 4x4 pixels, and a final 4x4 convolution gives the score, as in the
    critic of DCGAN (Radford et al. 2016) that Arjovsky et al. (2017) train without batch norm. The widths are those of
    pix2pix' 286x286 ImageGAN, 64-128-256-512-512-512. At other sizes, from 1 pixel, the last maps are average-pooled to
    4x4, which is a choice of this project.

    Args:
        channels: input channels.
        width: factor on the channels of every hidden layer.
        generator: source of the initial weights (He normal, as in the published code of WGAN-GP). With DCGAN's
            N(0, 0.02) the gradients of narrow critics would vanish, because there are no norms.
    """

    def __init__(self, channels: int, width: float, generator: torch.Generator) -> None:
        super().__init__()
        widths = [channels, *_widths((64, 128, 256, 512, 512, 512), width)]
        self.convs = nn.ModuleList(nn.Conv2d(before, after, KERNEL, 2) for before, after in pairwise(widths))
        self.score = nn.Conv2d(widths[-1], 1, KERNEL)
        for conv in (*self.convs, self.score):
            nn.init.kaiming_normal_(cast("nn.Conv2d", conv).weight, a=0.2, generator=generator)
            nn.init.zeros_(cast("Tensor", conv.bias))

    def forward(self, seen: Tensor) -> Tensor:
        """Return scores (B, 1, 1) for `seen` (B, C, H, W)."""
        for conv in self.convs:
            seen = F.leaky_relu(conv(_pad_same(seen, 2)), 0.2)
        scores: Tensor = self.score(F.adaptive_avg_pool2d(seen, KERNEL))
        return scores.squeeze(1)


def _widths(published: Sequence[int], width: float) -> list[int]:
    return [max(1, round(width * channels)) for channels in published]


def _dcgan_conv(
    channels_in: int, channels: int, stride: int, generator: torch.Generator, *, bias: bool = True
) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels, KERNEL, stride, padding=1, bias=bias)
    nn.init.normal_(conv.weight, 0.0, 0.02, generator=generator)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _norm(channels: int, generator: torch.Generator) -> nn.InstanceNorm2d:
    norm = nn.InstanceNorm2d(channels, affine=True)
    nn.init.normal_(norm.weight, 1.0, 0.02, generator=generator)
    return norm


def _pad_same(x: Tensor, stride: int) -> Tensor:
    """Pad as TensorFlow's SAME: the output has ceil(size / stride) pixels, with an odd pixel right and below."""
    pads: list[int] = []
    for size in (x.shape[-1], x.shape[-2]):
        total = same_padding(size, KERNEL, stride)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


@dataclass(frozen=True)
class CriticEntry:
    """A registered critic.

    Attributes:
        description: one line for lists.
        build: (input channels, width factor, generator for its weights) -> network.
        smallest_px: smallest side of its input.
    """

    description: str
    build: Callable[[int, float, torch.Generator], nn.Module]
    smallest_px: int = 1


CRITICS: Registry[CriticEntry] = Registry("critic")
CRITICS.add(
    "chromagan", CriticEntry("ChromaGAN's patches of 70 px without norms: 28x28 scores at 224 px", ChromaGANCritic)
)
CRITICS.add(
    "patchgan70", CriticEntry("pix2pix's patches of 70 px with instance norm: 30x30 scores at 256 px", PatchGAN70, 24)
)
CRITICS.add(
    "image", CriticEntry("one score for the whole image: DCGAN's critic without norms, six layers", ImageCritic)
)
