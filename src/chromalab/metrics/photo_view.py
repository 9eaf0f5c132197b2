"""Photographs as metrics see them: with everything that is computed of one side alone, each thing once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch

from chromalab.color.spaces import rgb_to_lab
from chromalab.functional.blotches import blotches
from chromalab.functional.cdc import LEVELS
from chromalab.functional.colorfulness import chroma, colorfulness
from chromalab.functional.gamut import gamut_share
from chromalab.functional.hue import hue_histogram
from chromalab.functional.pairs import check_rgb
from chromalab.metrics.networks import Networks
from chromalab.nets.resizing import center_square

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

CLASSIFIED_PX = 224
"""Side of the picture that a classifier of ImageNet's classes is shown."""

_BAND_PIXELS = 2**16


class PhotoView:
    """B photographs of one size, predictions or truths, and what metrics have computed of them so far.

    A view of the true photographs serves any number of predictions.

    Args:
        rgb: (B, 3, H, W) in [0, 1].
        networks: where feature metrics find their networks; of one's own where it is left out.
        labels: the class of ImageNet that is to be seen on each, (B,) int64, where it is known.
    """

    def __init__(self, rgb: Tensor, networks: Networks | None = None, labels: Tensor | None = None) -> None:
        check_rgb(rgb)
        self.rgb = rgb
        self.labels = labels
        self.networks = networks or Networks(rgb.device)
        self._taps: dict[str, Sequence[Tensor]] = {}

    @cached_property
    def exact(self) -> Tensor:
        """The photographs in float64: float32 rounds the variances of flat regions that SSIM divides by."""
        return self.rgb.double()

    @cached_property
    def lab(self) -> Tensor:
        """CIELAB under D65, (B, 3, H, W), float64; converted in bands of rows, for the memory of what is between."""
        rows = max(1, _BAND_PIXELS // (len(self.rgb) * self.rgb.shape[-1]))
        return torch.cat([rgb_to_lab(band) for band in self.exact.split(rows, dim=2)], dim=2)

    @cached_property
    def colorfulness(self) -> Tensor:
        """Hasler and Süsstrunk's colorfulness, (B,)."""
        return colorfulness(self.exact)

    @cached_property
    def chroma_plane(self) -> Tensor:
        """The chroma C*_ab of every pixel, (B, H, W), float64."""
        return chroma(self.lab)

    @cached_property
    def chroma(self) -> Tensor:
        """Mean chroma, (B,)."""
        return self.chroma_plane.mean(dim=(1, 2))

    @cached_property
    def hue_histogram(self) -> Tensor:
        """How the chroma is spread over the hues, (B, 72)."""
        return hue_histogram(self.lab)

    @cached_property
    def gamut_share(self) -> Tensor:
        """The share of colored pixels on the surface of sRGB, (B,)."""
        return gamut_share(self.exact, self.lab)

    @cached_property
    def blotches(self) -> Tensor:
        """The share of pixels whose color leaves their surroundings where the lightness does not, (B,)."""
        planes = zip(self.lab[:, 0].cpu().numpy(), self.chroma_plane.cpu().numpy(), strict=True)
        return self.lab.new_tensor([blotches(lightness, colors) for lightness, colors in planes])

    def taps(self, network: str) -> Sequence[Tensor]:
        """Return what the network `network` sees: its taps, (B, C_l, H_l, W_l) each, float32.

        Raises:
            MissingWeightsError: the network is not on this machine.
        """
        if network not in self._taps:
            self._taps[network] = self.networks[network].trunk.taps(self.rgb.float())
        return self._taps[network]

    def pooled(self, network: str) -> Tensor:
        """Return the spatial mean of a network's last tap, (B, C)."""
        return self.taps(network)[-1].mean(dim=(2, 3))

    @cached_property
    def top_class(self) -> Tensor:
        """The likeliest of ImageNet's classes by EfficientNet-Lite0 on the central square at 224 px, (B,) int64."""
        return self.networks.classify(center_square(self.rgb.float(), CLASSIFIED_PX)).argmax(dim=1)

    @cached_property
    def rgb_histogram(self) -> Tensor:
        """The share of pixels at each of 256 levels of R, G and B, (B, 3, 256), float64."""
        levels = (self.rgb * 255).round().long().clamp(0, LEVELS - 1).flatten(2)
        counts = torch.zeros(*levels.shape[:2], LEVELS, dtype=torch.float64, device=levels.device)
        return counts.scatter_add_(2, levels, torch.ones_like(levels, dtype=torch.float64)) / levels.shape[2]
