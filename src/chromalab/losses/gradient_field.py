"""Where a loss pulls the colors of a photograph: minus its gradient at every pixel, in the ab plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.color.spaces import AB_SCALE, SPACES
from chromalab.core.errors import NonFiniteError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.losses.bench import Bench

CHROMA_SHARE = 0.5
HUE_SHIFT_DEG = 30.0
"""The prediction of the field has this share of the true chroma, and its hues are this much off (towards yellow from
red): wrong in a way that everybody can see, so that one knows where a loss ought to pull."""

GUESS = f"chroma × {CHROMA_SHARE:g}, hues {HUE_SHIFT_DEG:g}° off"
"""What the prediction is, in a few words."""


@dataclass(frozen=True)
class GradientField:
    """A photograph, a prediction of its colors, and where a loss pulls them.

    Attributes:
        photo: the photograph, sRGB (H, W, 3) in [0, 1].
        prediction: the predicted image, likewise.
        lightness: L* / 100, (H, W).
        pull: minus the gradient of the loss by (a*, b*), times the number of pixels, (H, W, 2): so it does not depend
            on the photo's size for a loss that is a mean over pixels.
        way: from the predicted to the true (a*, b*), (H, W, 2).
    """

    photo: NDArray[np.float64]
    prediction: NDArray[np.float64]
    lightness: NDArray[np.float64]
    pull: NDArray[np.float64]
    way: NDArray[np.float64]

    @property
    def strength(self) -> NDArray[np.float64]:
        """The length of the pull, (H, W)."""
        lengths: NDArray[np.float64] = np.hypot(self.pull[..., 0], self.pull[..., 1])
        return lengths

    @property
    def agreement(self) -> float:
        """The cosine of the angle between pull and way over the whole image: 1 where the loss pulls to the truth."""
        lengths = np.linalg.norm(self.pull) * np.linalg.norm(self.way)
        return float((self.pull * self.way).sum() / lengths) if lengths else 0.0


def gradient_field(bench: Bench, rgb: NDArray[np.uint8]) -> GradientField:
    """Return where a loss pulls the colors of a photograph whose prediction is off in chroma and hue.

    Args:
        bench: the loss, in the space `lab`, over colors.
        rgb: the photograph, 8-bit sRGB (H, W, 3).

    Raises:
        UsageError: the photo is smaller than the loss can look at, or the loss is not one over colors.
        NonFiniteError: the gradient is not finite.
    """
    if not acts_on_colors(bench):
        raise UsageError(f"{bench.entry.name} acts on a head of its own, not on colors: there is no field over colors")
    if min(rgb.shape[:2]) < bench.term.smallest_px:
        raise UsageError(
            f"the photo has {rgb.shape[1]}x{rgb.shape[0]} pixels, and {bench.entry.name} asks for sides of "
            f"{bench.term.smallest_px} pixels at least"
        )
    space = SPACES["lab"]
    photo = torch.tensor(rgb).permute(2, 0, 1)[None].float() / 255
    lightness, target = space.encode(photo)
    preds = _guess(target)
    gradient = bench.gradients(bench.guess(photo, preds))[0]
    if not bool(gradient.isfinite().all()):
        raise NonFiniteError(f"the gradient of {bench.entry.name} is not finite on this photo")
    pixels = rgb.shape[0] * rgb.shape[1]
    return GradientField(
        photo=_image(photo),
        prediction=_image(space.decode(lightness, preds).clamp(0, 1)),
        lightness=_image(lightness)[..., 0],
        pull=_image(-gradient * pixels / AB_SCALE),
        way=_image((target - preds) * AB_SCALE),
    )


def acts_on_colors(bench: Bench) -> bool:
    """Return whether a loss looks at the color of every pixel, and not at logits over bins or classes."""
    return not (bench.needs("bins") or bench.needs("classes"))


def _guess(target: torch.Tensor) -> torch.Tensor:
    """Return colors with less chroma and other hues."""
    angle = math.radians(HUE_SHIFT_DEG)
    a, b = target[:, :1], target[:, 1:]
    turned = torch.cat([a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle)], dim=1)
    return CHROMA_SHARE * turned


def _image(batch: torch.Tensor) -> NDArray[np.float64]:
    """Return the one image of a batch as (H, W, C)."""
    array: NDArray[np.float64] = batch[0].detach().permute(1, 2, 0).double().numpy()
    return array
