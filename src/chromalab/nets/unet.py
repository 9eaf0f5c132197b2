"""The colorizer: a U-Net that predicts color from a gray image.

The decoder upsamples the encoder's feature maps level by level and concatenates each level with the encoder's map of
the same size (Ronneberger et al. 2015), as in the chapter's network over VGG. It has no normalization layers: those of
the encoders are folded into their weights, and gradient penalties rule out some of them.

There are two decoders. The baseline ends at the input's size. The other ends at stride 4, which is enough for chroma
because the full-resolution merge uses the photo's own lightness. It has wider coarse levels, a narrow finest level, and
optionally adds a projection of the mean of the deepest features at every position, so that global information such as
the illumination of the scene is available everywhere.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from chromalab.color.bins import BIN_COUNT
from chromalab.color.bins_torch import annealed_mean
from chromalab.color.spaces import AB_SCALE
from chromalab.nets.trunks import CLASSES

if TYPE_CHECKING:
    from chromalab.color.spaces import TrainingSpace
    from chromalab.nets.encoders import Encoder, FeatureNet

DECODER_WIDTHS = {16: 128, 8: 96, 4: 64, 2: 32, 1: 32}
"""Channels of the baseline decoder by stride: 0.7 M parameters over EfficientNet-Lite0, similar cost per level."""

STRIDE_4_WIDTHS = {16: 320, 8: 192, 4: 128}
"""Channels of the stride-4 decoder by stride."""

CONTEXT_WIDTH = 128
"""Channels of the pooled context in the stride-4 decoder."""

HeadStride = Literal[1, 4]
ColorFrom = Literal["head", "bins", "mean"]

BINS_STRIDE = 4
"""Input pixels per pixel of the bins head's logits, as in Zhang et al. (2016)."""

CLASS_HEAD_WIDTH = 512
"""Hidden units of the class head, a choice of this project (ChromaGAN has two layers of 4096)."""


class Heads(NamedTuple):
    """The output heads of a network, and its decoder.

    Attributes:
        color: regress the color of every pixel.
        bins: predict logits over the ab bins at a quarter of the resolution.
        classes: predict logits over ImageNet's classes.
        stride: input pixels per pixel of the color head: 1 for the baseline decoder, 4 for the stride-4 decoder.
        context: add the pooled context at every position (stride 4 only).
        width: factor on the channels of the stride-4 decoder.
    """

    color: bool = True
    bins: bool = False
    classes: bool = False
    stride: HeadStride = 1
    context: bool = False
    width: float = 1.0


COLOR_ONLY = Heads()


class Prediction(NamedTuple):
    """A colorizer's output for a batch of gray images.

    Attributes:
        color: (B, C, H, W) in the training space.
        bin_logits: logits over the ab bins, (B, 313, ceil(H / 4), ceil(W / 4)), if there is a bins head.
        class_logits: logits over ImageNet's classes, (B, 1000), if there is a class head.
    """

    color: Tensor
    bin_logits: Tensor | None = None
    class_logits: Tensor | None = None


class UNet(nn.Module):
    """Encoder, decoder with concatenated skips, and heads, for any input size from 1 pixel.

    Args:
        encoder: the encoder.
        out_channels: channels of the color head.
        generator: source of the decoder's initial weights (He normal). Layers that two sets of heads have in common get
            the same weights.
        heads: the output heads. Without a color head the decoder ends at the bins head.
    """

    def __init__(
        self, encoder: Encoder, out_channels: int, generator: torch.Generator, heads: Heads = COLOR_ONLY
    ) -> None:
        super().__init__()
        self.encoder = encoder.network
        self.scales = encoder.scales
        self.strides = encoder.strides
        deepest = encoder.channels[-1]
        has_context = heads.stride == BINS_STRIDE and heads.context
        self.context = _linear(deepest, CONTEXT_WIDTH, generator) if has_context else None
        self.levels = nn.ModuleList()
        below, widths = deepest, {encoder.strides[-1]: deepest}
        for channels, stride in zip(encoder.channels[-2::-1], encoder.strides[-2::-1], strict=True):
            if stride < heads.stride:
                break
            width = _width(stride, heads)
            level = self._level(below, channels, width, generator, heads.stride)
            if heads.color or stride >= BINS_STRIDE:
                self.levels.append(level)
            widths[stride] = below = width
        if heads.stride == BINS_STRIDE:
            # The same layout as the maps saves 5% of a step on a CPU.
            self.levels.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Small initial weights give nearly gray colors, so that no objective has to unlearn random colors first.
        kernel = 3 if heads.stride == 1 else 1
        head = _conv(below, out_channels, kernel, generator, scale=0.1)
        self.head = head if heads.color else None
        self.bins_head = _conv(widths[BINS_STRIDE], BIN_COUNT, 1, generator, scale=0.1) if heads.bins else None
        self.class_head = _class_head(deepest, generator) if heads.classes else None

    def _level(self, below: int, skip: int, width: int, generator: torch.Generator, stride: int) -> nn.Module:
        if stride == 1:
            return _conv(below + skip, width, 3, generator)
        return Level(below, skip, width, generator, context=self.context is not None)

    def forward(self, rgb: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the outputs of the color, bins and class heads (or None) for (B, 3, H, W) sRGB in [0, 1].

        Returns:
            (B, out_channels, H, W); logits (B, 313, ceil(H / 4), ceil(W / 4)); logits (B, 1000).
        """
        taps = self.taps(rgb)
        x = taps[-1]
        pooled = x.mean(dim=(2, 3))
        classes = None if self.class_head is None else _at_least_single(self.class_head(pooled))
        context = None if self.context is None else F.relu(self.context(pooled))
        bins = None
        for level, skip, stride in zip(self.levels, taps[-2::-1], self.strides[-2::-1], strict=False):
            if isinstance(level, Level):
                x = level(x, skip, context)
            else:
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

    def taps(self, rgb: Tensor) -> list[Tensor]:
        """Return the encoder's maps, divided by their scales, for (B, 3, H, W) sRGB in [0, 1], the finest first."""
        network = cast("FeatureNet", self.encoder)
        frozen = not any(parameter.requires_grad for parameter in self.encoder.parameters())
        with torch.no_grad() if frozen else contextlib.nullcontext():
            return [tap / scale for tap, scale in zip(network.taps(rgb), self.scales, strict=True)]


class Level(nn.Module):
    """A level of the stride-4 decoder: reduce, upsample, merge with the encoder's map, and refine.

    The 1x1 reduction precedes the upsampling, which reduces its cost to a quarter.

    Args:
        below: channels of the level below.
        skip: channels of the encoder's map.
        width: channels of this level.
        generator: source of the initial weights.
        context: add a projection of the pooled context at every position.
    """

    def __init__(self, below: int, skip: int, width: int, generator: torch.Generator, *, context: bool) -> None:
        super().__init__()
        self.reduce = _conv(below, width, 1, generator)
        self.merge = _conv(width + skip, width, 3, generator)
        self.refine = _conv(width, width, 3, generator, scale=0.5)
        self.context = _linear(CONTEXT_WIDTH, width, generator) if context else None

    def forward(self, x: Tensor, skip: Tensor, context: Tensor | None) -> Tensor:
        """Return (B, width, H, W) from the level below, `skip` (B, skip, H, W) and the context (B, CONTEXT_WIDTH)."""
        up = F.interpolate(self.reduce(x), size=skip.shape[-2:], mode="nearest")
        merged = self.merge(torch.cat([up, skip], dim=1))
        if self.context is not None:
            merged = merged + self.context(context)[:, :, None, None]
        merged = F.relu(merged)
        return F.relu(merged + self.refine(merged))


def _width(stride: int, heads: Heads) -> int:
    if heads.stride == 1:
        return DECODER_WIDTHS[stride]
    return max(8, round(STRIDE_4_WIDTHS[stride] * heads.width / 8) * 8)


def _linear(features_in: int, features: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(features_in, features)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _conv(channels_in: int, channels: int, kernel: int, generator: torch.Generator, *, scale: float = 1.0) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(cast("Tensor", conv.bias))
    with torch.no_grad():
        conv.weight.mul_(scale)
    return conv


def _class_head(channels: int, generator: torch.Generator) -> nn.Sequential:
    hidden = _linear(channels, CLASS_HEAD_WIDTH, generator)
    return nn.Sequential(hidden, nn.ReLU(), _linear(CLASS_HEAD_WIDTH, CLASSES, generator))


def _at_least_single(logits: Tensor) -> Tensor:
    """Convert half precision to single precision, which a softmax over 313 bins requires."""
    return logits.float() if logits.dtype in {torch.float16, torch.bfloat16} else logits


class Colorizer(nn.Module):
    """A U-Net in a training space, which predicts color from lightness.

    A regressed color is gray plus a bounded difference (a scaled hyperbolic tangent). So decoding without clipping,
    which training requires for its gradients, never exceeds the range of the space.

    Args:
        unet: network with `space.channels` output channels.
        space: the training space; `lab` if the network has a bins head.
        color_from: source of the color: `head`, the regression; `bins`, the annealed mean of the bins; `mean`, the mean
            of both. Losses train the two heads separately, and the mean is used only to colorize photos.
    """

    def __init__(self, unet: UNet, space: TrainingSpace, color_from: ColorFrom = "head") -> None:
        super().__init__()
        self.unet = unet
        self.space = space
        self.color_from = color_from

    @property
    def regresses(self) -> bool:
        """Whether there is a color head, so that the color is not decoded from the bins."""
        return self.unet.head is not None

    def forward(self, lightness: Tensor) -> Prediction:
        """Return the output of the heads for lightness (B, 1, H, W) in [0, 1].

        The color comes from the color head if there is one. The encoder's input has three equal channels, because it
        was trained on color images.
        """
        difference, bins, classes = self.unet(lightness.expand(-1, 3, -1, -1))
        if difference is None:
            return Prediction(self._from_bins(bins, lightness), bins, classes)
        # Half precision would give visible steps of chroma.
        color = self.space.grey(lightness) + self.space.reach * torch.tanh(_at_least_single(difference))
        return Prediction(color, bins, classes)

    def color(self, lightness: Tensor) -> Tensor:
        """Return the color (B, C, H, W) of a colorized photo for lightness (B, 1, H, W) in [0, 1]."""
        prediction: Prediction = self(lightness)
        if self.color_from != "mean":
            return prediction.color
        return (prediction.color + self._from_bins(cast("Tensor", prediction.bin_logits), lightness)) / 2

    def _from_bins(self, logits: Tensor, lightness: Tensor) -> Tensor:
        ab = annealed_mean(logits) / AB_SCALE
        return F.interpolate(ab, size=lightness.shape[-2:], mode="bilinear", align_corners=False)

    def colorize(self, rgb: Tensor) -> Tensor:
        """Colorize the gray version of (B, 3, H, W) sRGB in [0, 1]; the result is clipped to [0, 1]."""
        lightness, _ = self.space.encode(rgb)
        return self.space.decode(lightness, self.color(lightness)).clamp(0, 1)
