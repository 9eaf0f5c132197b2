"""Critics: networks that tell generated colours from true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from chromalab.core.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

LEAKY_SLOPE = 0.3
"""The slope of Keras' LeakyReLU, which ChromaGAN's published code leaves at its default."""


class PatchCritic(nn.Module):
    """ChromaGAN's conditional patch critic on (lightness, color): one unbounded score a patch.

    4x4 convolutions with 64 (stride 2), 128 (2), 256 (2), 512 (1) and 1 (1) channels, padded as TensorFlow's SAME:
    28x28 scores at 224 px (Vitoria, Raad and Ballester 2020, section 3.3 and the published code). No batch norm,
    because the gradient penalty is a statement about each picture alone (Gulrajani et al. 2017, section 4).

    Args:
        channels: channels of the colour image, 2 or 3.
        width: multiplies the channels of every hidden layer; 1 is the published critic.
        generator: draws the initial weights.
    """

    def __init__(self, channels: int, *, width: float = 1.0, generator: torch.Generator) -> None:
        super().__init__()
        widths = [max(1, round(width * base)) for base in (64, 128, 256, 512)] + [1]
        inputs = [1 + channels, *widths[:-1]]
        self.strides = (2, 2, 2, 1, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride)
            for before, after, stride in zip(inputs, widths, self.strides, strict=True)
        )
        for conv in self.convs:
            conv = cast("nn.Conv2d", conv)
            nn.init.xavier_uniform_(conv.weight, generator=generator)  # Keras' default, as published
            nn.init.zeros_(cast("Tensor", conv.bias))

    def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
        """Score lightness (B, 1, H, W) with color (B, C, H, W): (B, ceil(H / 8), ceil(W / 8))."""
        x = torch.cat([lightness, color], dim=1)
        for index, (conv, stride) in enumerate(zip(self.convs, self.strides, strict=True)):
            if index:
                x = F.leaky_relu(x, LEAKY_SLOPE)
            x = conv(_pad_same(x, kernel=4, stride=stride))
        return x.squeeze(1)


def _pad_same(x: Tensor, *, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow's SAME: the output has ceil(size / stride) pixels, an odd pixel goes right and down."""
    pads: list[int] = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


@dataclass(frozen=True)
class CriticEntry:
    """A critic that can be asked for by name.

    Attributes:
        description: one line for lists.
        build: (channels of what it sees, width multiplier, generator for its weights) -> network.
    """

    description: str
    build: Callable[[int, float, torch.Generator], nn.Module]


CRITICS: Registry[CriticEntry] = Registry("critic")
CRITICS.add(
    "chromagan",
    CriticEntry(
        "ChromaGAN's patch critic: 28x28 scores at 224 px",
        lambda channels, width, generator: PatchCritic(channels - 1, width=width, generator=generator),
    ),
)
