"""Views of photos for metrics: quantities and network features that several metrics share, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch

from chromalab.color.spaces import rgb_to_lab
from chromalab.functional.blotches import blotches
from chromalab.functional.color import chroma, colorfulness, gamut_share, hue_histogram
from chromalab.functional.distribution import LEVELS
from chromalab.functional.perceptual import LPIPS, Lite0Distance, LPIPSTrunk
from chromalab.functional.spatial_color import FlipImage, flip_image, seen_lab
from chromalab.functional.tensors import check_rgb
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.nets.inception_fid import load_inception_fid
from chromalab.nets.trunks import center_square
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.store import stored_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


CLASSIFIED_PX = 224
"""Input side of classifiers of ImageNet's classes."""

_BAND_PIXELS = 2**16


class PhotoView:
    """B photos of one size, predictions or ground truth, with the quantities that metrics have computed of them.

    A view of the ground truth can be compared with any number of predictions.

    Args:
        rgb: sRGB (B, 3, H, W) in [0, 1].
        networks: shared networks of feature metrics; None loads separate ones.
        labels: the ImageNet class of each photo, (B,) int64, if known.
    """

    def __init__(self, rgb: Tensor, networks: Networks | None = None, labels: Tensor | None = None) -> None:
        check_rgb(rgb)
        self.rgb = rgb
        self.labels = labels
        self.networks = networks or Networks(rgb.device)
        self._taps: dict[str, Sequence[Tensor]] = {}

    @cached_property
    def exact(self) -> Tensor:
        """The photos in float64, because float32 rounds the variances of flat regions that SSIM divides by."""
        return self.rgb.double()

    @cached_property
    def lab(self) -> Tensor:
        """CIELAB under D65, (B, 3, H, W), float64; converted in bands of rows to save memory."""
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
        """The distribution of the chroma over the hues, (B, 72)."""
        return hue_histogram(self.lab)

    @cached_property
    def gamut_share(self) -> Tensor:
        """The share of colored pixels on the surface of sRGB, (B,)."""
        return gamut_share(self.exact, self.lab)

    @cached_property
    def blotches(self) -> Tensor:
        """The share of pixels whose color differs from their surroundings while their lightness does not, (B,)."""
        planes = zip(self.lab[:, 0].cpu().numpy(), self.chroma_plane.cpu().numpy(), strict=True)
        return self.lab.new_tensor([blotches(lightness, colors) for lightness, colors in planes])

    @cached_property
    def seen_lab(self) -> Tensor:
        """CIELAB as S-CIELAB sees it at 67 pixels per degree, (B, 3, H, W), float64."""
        return torch.cat([seen_lab(photo) for photo in self.exact.split(1)])

    @cached_property
    def flip_image(self) -> FlipImage:
        """The filtered colors, edges and points that FLIP compares, at 67 pixels per degree, float64."""
        photos = [flip_image(photo) for photo in self.exact.split(1)]
        return FlipImage(*(torch.cat(parts) for parts in zip(*photos, strict=True)))

    def taps(self, network: str) -> Sequence[Tensor]:
        """Return the taps of a network, (B, C_l, H_l, W_l) each, float32.

        Raises:
            MissingWeightsError: the network is not installed.
        """
        if network not in self._taps:
            self._taps[network] = self.networks[network].trunk.taps(self.rgb.float())
        return self._taps[network]

    def pooled(self, network: str) -> Tensor:
        """Return the spatial mean of a network's last tap, (B, C)."""
        return self.taps(network)[-1].mean(dim=(2, 3))

    @cached_property
    def top_class(self) -> Tensor:
        """The most likely ImageNet class by EfficientNet-Lite0 on the central square at 224 px, (B,) int64."""
        return self.networks.classify(center_square(self.rgb.float(), CLASSIFIED_PX)).argmax(dim=1)

    @cached_property
    def rgb_histogram(self) -> Tensor:
        """The share of pixels at each of 256 levels of R, G and B, (B, 3, 256), float64."""
        levels = (self.rgb * 255).round().long().clamp(0, LEVELS - 1).flatten(2)
        counts = torch.zeros(*levels.shape[:2], LEVELS, dtype=torch.float64, device=levels.device)
        return counts.scatter_add_(2, levels, torch.ones_like(levels, dtype=torch.float64)) / levels.shape[2]


LITE0 = "efficientnet_lite0"
INCEPTION = "inception_fid"

LPIPS_TRUNKS: dict[str, LPIPSTrunk] = {"alexnet": "alex", "squeezenet1_1": "squeeze", "vgg16": "vgg"}
"""Name in the weights manifest -> name of the same trunk in LPIPS."""


class Taps(Protocol):
    """A frozen network with feature maps at several taps."""

    def taps(self, rgb: Tensor) -> Sequence[Tensor]:
        """Return the feature maps of rgb (B, 3, H, W), sRGB as stored, in [0, 1]."""


@dataclass(frozen=True)
class MetricNetwork:
    """A frozen network whose features metrics compare.

    Attributes:
        trunk: the network.
        channel_weights: linear weights of LPIPS for each tap; None weights all channels equally.
        sha256: hashes of its weight files, by name in the manifest.
    """

    trunk: Taps
    channel_weights: Sequence[Tensor] | None
    sha256: dict[str, str]


class Networks:
    """Frozen networks on one device, by their name in the weights manifest.

    Args:
        device: device of the networks.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = device
        self._loaded: dict[str, MetricNetwork] = {}
        self._classifier: nn.Module | None = None

    def __getitem__(self, name: str) -> MetricNetwork:
        """Return the network, loaded on first use.

        Raises:
            MissingWeightsError: its weights are not installed; the message names the command that installs them.
        """
        if name not in self._loaded:
            load = {LITE0: self._lite0, INCEPTION: self._inception}
            self._loaded[name] = load[name]() if name in load else self._lpips(name)
        return self._loaded[name]

    def classify(self, rgb: Tensor) -> Tensor:
        """Return EfficientNet-Lite0's logits over ImageNet's classes, (B, 1000), for rgb (B, 3, 224, 224) in [0, 1]."""
        if self._classifier is None:
            self._classifier = load_efficientnet_lite0(classifier=True).requires_grad_(requires_grad=False)
            self._classifier.to(self.device)
        logits: Tensor = self._classifier(rgb)
        return logits

    def _lite0(self) -> MetricNetwork:
        return MetricNetwork(Lite0Distance().to(self.device).trunk, None, {LITE0: _sha256(LITE0)})

    def _inception(self) -> MetricNetwork:
        network = load_inception_fid().requires_grad_(requires_grad=False).to(self.device)
        return MetricNetwork(network, None, {INCEPTION: _sha256(INCEPTION)})

    def _lpips(self, name: str) -> MetricNetwork:
        lpips = LPIPS(LPIPS_TRUNKS[name]).to(self.device)
        weights = [lpips.get_buffer(f"weights_{tap}") for tap in range(lpips.taps)]
        linear = f"lpips_linear_{LPIPS_TRUNKS[name]}"
        return MetricNetwork(lpips.trunk, weights, {part: _sha256(part) for part in (name, linear)})

    def sha256(self) -> dict[str, str]:
        """Return the SHA-256 of every loaded weight file, by its name in the manifest."""
        return {name: digest for network in self._loaded.values() for name, digest in network.sha256.items()}


def _sha256(name: str) -> str:
    """Return the hash against which the loaded file was checked: that of an added trunk, or the published one."""
    stored = stored_weights(name) if isinstance(MANIFEST[name], TrunkWeights) else None
    return stored.sha256 if stored is not None else MANIFEST[name].sha256
