"""Gradient fields of losses: the negative gradient with respect to the color of every pixel, in the ab plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.color.spaces import AB_SCALE, SPACES
from chromalab.core.errors import NonFiniteError, UsageError
from chromalab.functional.tensors import image_tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.losses.bench import Bench

CHROMA_SHARE = 0.5
HUE_SHIFT_DEG = 30.0
"""The prediction of the field has this share of the true chroma, and its hues are shifted by this angle (from red
towards yellow). Its errors are obvious, so it is clear in which direction a loss should pull."""

GUESS = f"chroma × {CHROMA_SHARE:g}, hues {HUE_SHIFT_DEG:g}° off"
"""Short description of the prediction."""


@dataclass(frozen=True)
class GradientField:
    """A photo, a prediction of its colors, and the direction in which a loss pulls them.

    Attributes:
        photo: the photo, sRGB (H, W, 3) in [0, 1].
        prediction: the predicted image, likewise.
        lightness: L* / 100, (H, W).
        pull: the negative gradient of the loss with respect to (a*, b*), times the number of pixels, (H, W, 2). For a
            loss that is a mean over pixels, it does not depend on the size of the photo.
        way: the difference between the true and the predicted (a*, b*), (H, W, 2).
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
        """The cosine between pull and way over the whole image; 1 if the loss pulls exactly towards the truth."""
        lengths = np.linalg.norm(self.pull) * np.linalg.norm(self.way)
        return float((self.pull * self.way).sum() / lengths) if lengths else 0.0


def gradient_field(bench: Bench, rgb: NDArray[np.uint8]) -> GradientField:
    """Return the gradient field of a loss for a photo whose prediction is wrong in chroma and hue.

    Args:
        bench: the loss over colors, in the space `lab`.
        rgb: the photo, 8-bit sRGB (H, W, 3).

    Raises:
        UsageError: the photo is too small for the loss, or the loss does not act on colors.
        NonFiniteError: the gradient is not finite.
    """
    if not bench.entry.acts_on_colors:
        raise UsageError(f"{bench.entry.name} acts on a separate head, not on colors, so it has no field over colors")
    if min(rgb.shape[:2]) < bench.term.smallest_px:
        raise UsageError(
            f"the photo has {rgb.shape[1]}x{rgb.shape[0]} px, but {bench.entry.name} needs sides of at least "
            f"{bench.term.smallest_px} px"
        )
    space = SPACES["lab"]
    photo = image_tensor(rgb)
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


def _guess(target: torch.Tensor) -> torch.Tensor:
    """Return the true colors with less chroma and shifted hues."""
    angle = math.radians(HUE_SHIFT_DEG)
    a, b = target[:, :1], target[:, 1:]
    turned = torch.cat([a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle)], dim=1)
    return CHROMA_SHARE * turned


def _image(batch: torch.Tensor) -> NDArray[np.float64]:
    """Return the first image of a batch as (H, W, C)."""
    array: NDArray[np.float64] = batch[0].detach().permute(1, 2, 0).double().numpy()
    return array
