"""The baseline network: a U-Net that gives colour to a grey image.

An encoder's feature maps are brought up level by level, each concatenated with the map of its level (Ronneberger et
al. 2015), as the chapter's network does over VGG. There is no normalisation layer in the decoder: the encoders carry
theirs folded into their weights, and a critic's gradients are better off without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from chromalab.color.bins import BIN_COUNT
from chromalab.color.bins_torch import annealed_mean
from chromalab.color.spaces import AB_SCALE

if TYPE_CHECKING:
    from chromalab.color.spaces import TrainingSpace
    from chromalab.nets.encoders import Encoder, FeatureNet

DECODER_WIDTHS = {16: 128, 8: 96, 4: 64, 2: 32, 1: 32}
"""Channels of the decoder at each stride: 0.7 M parameters over EfficientNet-Lite0, similar work at every level."""


BINS_STRIDE = 4
"""Input pixels to one pixel of the bins head's logits, as in Zhang et al. (2016)."""

CLASS_HEAD_WIDTH = 512
"""Hidden units of the class head; this project's choice (ChromaGAN's has two layers of 4096)."""

CLASSES = 1000
"""ImageNet's classes."""


class Heads(NamedTuple):
    """What a network gives beside or instead of a colour for every pixel.

    Attributes:
        color: regress the colour of every pixel.
        bins: logits over the ab bins at a quarter of the resolution.
        classes: logits over ImageNet's classes.
    """

    color: bool = True
    bins: bool = False
    classes: bool = False


COLOR_ONLY = Heads()


class Prediction(NamedTuple):
    """What a colorizer gives for a batch of grey pictures.

    Attributes:
        color: (B, C, H, W) of the training space.
        bin_logits: logits over the ab bins, (B, 313, ceil(H / 4), ceil(W / 4)), where there is such a head.
        class_logits: logits over ImageNet's classes, (B, 1000), where there is such a head.
    """

    color: Tensor
    bin_logits: Tensor | None = None
    class_logits: Tensor | None = None


class UNet(nn.Module):
    """Encoder, concatenated skips, decoder and heads; any input size from 1 pixel up.

    Args:
        encoder: gives the feature maps, the finest first.
        out_channels: channels that the colour head gives, at the input's size.
        generator: draws the decoder's initial weights (He, normal). What two sets of heads share gets the same weights.
        heads: what to give. Without a colour head the decoder ends where the bins head stands.
    """

    def __init__(
        self, encoder: Encoder, out_channels: int, generator: torch.Generator, heads: Heads = COLOR_ONLY
    ) -> None:
        super().__init__()
        self.encoder = encoder.network
        self.scales = encoder.scales
        self.strides = encoder.strides
        self.levels = nn.ModuleList()
        below = encoder.channels[-1]
        widths = {encoder.strides[-1]: below}
        for channels, stride in zip(encoder.channels[-2::-1], encoder.strides[-2::-1], strict=True):
            width = DECODER_WIDTHS[stride]
            conv = _conv(below + channels, width, 3, generator)
            if heads.color or stride >= BINS_STRIDE:
                self.levels.append(conv)
            widths[stride] = below = width
        # A small head starts every objective at nearly grey: no objective has to unlearn random colours first.
        head = _conv(below, out_channels, 3, generator, scale=0.1)
        self.head = head if heads.color else None
        self.bins_head = _conv(widths[BINS_STRIDE], BIN_COUNT, 1, generator, scale=0.1) if heads.bins else None
        self.class_head = _class_head(encoder.channels[-1], generator) if heads.classes else None

    def forward(self, rgb: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Map (B, 3, H, W) sRGB in [0, 1] to what the colour, bins and class heads give, each None where it is not.

        Returns:
            (B, out_channels, H, W); logits (B, 313, ceil(H / 4), ceil(W / 4)); logits (B, 1000).
        """
        maps = cast("FeatureNet", self.encoder).taps(rgb)
        taps = [tap / scale for tap, scale in zip(maps, self.scales, strict=True)]
        x = taps[-1]
        bins = classes = None
        if self.class_head is not None:
            classes = _at_least_single(self.class_head(x.mean(dim=(2, 3))))
        for level, skip, stride in zip(self.levels, taps[-2::-1], self.strides[-2::-1], strict=False):
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = F.relu(level(torch.cat([x, skip], dim=1)), inplace=True)
            if stride == BINS_STRIDE and self.bins_head is not None:
                bins = _at_least_single(self.bins_head(x))
        if self.head is None:
            return None, bins, classes
        x = self.head(x)
        if x.shape[-2:] != rgb.shape[-2:]:
            x = F.interpolate(x, size=rgb.shape[-2:], mode="bilinear", align_corners=False)
        return x, bins, classes


def _conv(channels_in: int, channels: int, kernel: int, generator: torch.Generator, *, scale: float = 1.0) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(cast("Tensor", conv.bias))
    with torch.no_grad():
        conv.weight.mul_(scale)
    return conv


def _class_head(channels: int, generator: torch.Generator) -> nn.Sequential:
    layers = (nn.Linear(channels, CLASS_HEAD_WIDTH), nn.ReLU(), nn.Linear(CLASS_HEAD_WIDTH, CLASSES))
    for layer in (layers[0], layers[2]):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def _at_least_single(logits: Tensor) -> Tensor:
    """Leave half precision to the convolutions: a softmax over 313 bins wants more digits."""
    return logits.float() if logits.dtype in {torch.float16, torch.bfloat16} else logits


class Colorizer(nn.Module):
    """A U-Net in a training space: lightness in, colour out.

    A regressed colour is what a grey image has plus a bounded departure (a scaled hyperbolic tangent), so that decoding
    without clipping, which training needs for its gradients, never meets a colour beyond the space's range. Without a
    colour head the colour is the annealed mean of the bins, brought up to full size.

    Args:
        unet: gives `space.channels` channels.
        space: the training space; `lab` where the colour comes from the bins.
    """

    def __init__(self, unet: UNet, space: TrainingSpace) -> None:
        super().__init__()
        self.unet = unet
        self.space = space

    @property
    def regresses(self) -> bool:
        """Whether the colour has a head of its own, and is not decoded from the bins."""
        return self.unet.head is not None

    def forward(self, lightness: Tensor) -> Prediction:
        """Map lightness (B, 1, H, W) in [0, 1] to a prediction with color (B, C, H, W) of the training space.

        The grey image is fed to all three channels of the encoder, as its ImageNet training knows pictures.
        """
        departure, bins, classes = self.unet(lightness.expand(-1, 3, -1, -1))
        if departure is not None:
            color = self.space.grey(lightness) + self.space.reach * torch.tanh(departure)
        else:
            ab = annealed_mean(bins) / AB_SCALE
            color = F.interpolate(ab, size=lightness.shape[-2:], mode="bilinear", align_corners=False)
        return Prediction(color, bins, classes)

    def colorize(self, rgb: Tensor) -> Tensor:
        """Colorize the grey version of (B, 3, H, W) sRGB in [0, 1]; the result is clipped to [0, 1]."""
        lightness, _ = self.space.encode(rgb)
        return self.space.decode(lightness, self(lightness).color).clamp(0, 1)
