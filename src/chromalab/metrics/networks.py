"""The frozen networks behind perceptual and distribution metrics, each loaded once when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chromalab.functional.lite0_distance import Lite0Distance
from chromalab.functional.lpips import LPIPS, LPIPSTrunk
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0
from chromalab.nets.inception_fid import load_inception_fid
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.store import stored_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor, nn

LITE0 = "efficientnet_lite0"
INCEPTION = "inception_fid"

LPIPS_TRUNKS: dict[str, LPIPSTrunk] = {"alexnet": "alex", "squeezenet1_1": "squeeze", "vgg16": "vgg"}
"""Name in the weights manifest -> name by which LPIPS calls the same trunk."""


class Taps(Protocol):
    """A frozen network some of whose feature maps are looked at."""

    def taps(self, rgb: Tensor) -> Sequence[Tensor]:
        """Return the feature maps of rgb (B, 3, H, W), sRGB as stored, in [0, 1]."""


@dataclass(frozen=True)
class Judge:
    """A network that metrics look through.

    Attributes:
        trunk: gives the taps of a photograph.
        channel_weights: LPIPS's linear weights for each tap; None counts every channel alike.
        sha256: the weight files behind it, by name in the manifest.
    """

    trunk: Taps
    channel_weights: Sequence[Tensor] | None
    sha256: dict[str, str]


class Networks:
    """Networks by their name in the weights manifest, frozen, on one device.

    Args:
        device: where they run.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = device
        self._judges: dict[str, Judge] = {}
        self._classifier: nn.Module | None = None

    def __getitem__(self, name: str) -> Judge:
        """Return the network, loaded on first use.

        Raises:
            MissingWeightsError: its weights are not on this machine; the message says how to get them.
        """
        if name not in self._judges:
            load = {LITE0: self._lite0, INCEPTION: self._inception}
            self._judges[name] = load[name]() if name in load else self._lpips(name)
        return self._judges[name]

    def classify(self, rgb: Tensor) -> Tensor:
        """Return EfficientNet-Lite0's logits (B, 1000) of ImageNet's classes for rgb (B, 3, 224, 224) in [0, 1]."""
        if self._classifier is None:
            self._classifier = load_efficientnet_lite0(classifier=True).requires_grad_(requires_grad=False)
            self._classifier.to(self.device)
        logits: Tensor = self._classifier(rgb)
        return logits

    def _lite0(self) -> Judge:
        return Judge(Lite0Distance().to(self.device).trunk, None, {LITE0: _sha256(LITE0)})

    def _inception(self) -> Judge:
        network = load_inception_fid().requires_grad_(requires_grad=False).to(self.device)
        return Judge(network, None, {INCEPTION: _sha256(INCEPTION)})

    def _lpips(self, name: str) -> Judge:
        lpips = LPIPS(LPIPS_TRUNKS[name]).to(self.device)
        weights = [lpips.get_buffer(f"weights_{tap}") for tap in range(lpips.taps)]
        linear = f"lpips_linear_{LPIPS_TRUNKS[name]}"
        return Judge(lpips.trunk, weights, {part: _sha256(part) for part in (name, linear)})

    def sha256(self) -> dict[str, str]:
        """Return the SHA-256 of every weight file that was loaded, by its name in the manifest."""
        return {name: digest for judge in self._judges.values() for name, digest in judge.sha256.items()}


def _sha256(name: str) -> str:
    """Return the hash that the loaded file was checked against: the stored one of an added trunk, or the published."""
    stored = stored_weights(name) if isinstance(MANIFEST[name], TrunkWeights) else None
    return stored.sha256 if stored is not None else MANIFEST[name].sha256
