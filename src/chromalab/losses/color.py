"""Losses of the predicted colors alone: colorfulness, smoothness, and excess beyond the sRGB gamut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.functional.color import colorfulness
from chromalab.functional.pixel_error import image_mean, total_variation
from chromalab.losses.base import Choice, ColorBatch, LossEntry, LossTerm

if TYPE_CHECKING:
    from torch import Tensor

Opponents = Literal["absolute", "signed"]


class Colorfulness(LossTerm):
    """DDColor's colorfulness loss, which is lower for more vivid colors.

    Kang et al. 2023 write 1 - (sigma + 0.3 mu) / 100 and cite Hasler and Süsstrunk, whose opponents R - G and
    (R + G) / 2 - B are signed. Their published code and their tables of colorfulness take the absolute values of both,
    which is the default here. Other deviations of the code are not reproduced. It takes RGB in [0, 1] without the 100,
    which is 1 - M / 255 on the scale of 8-bit values (so its weight of 0.5 is 0.196 of this loss), sums over the images
    of a batch, and divides variances by the number of pixels minus 1.

    Args:
        opponents: `absolute`, or `signed` as Hasler and Süsstrunk measure colorfulness.
    """

    def __init__(self, opponents: Opponents = "absolute") -> None:
        super().__init__()
        self.opponents = opponents

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return 1 - M / 100 for M on the scale of 8-bit values, shape (B,). The gradient is 0 on flat grays.

        RGB is clipped first, as in the published code. Screens do not show colors beyond the gamut as more vivid, and
        without clipping the loss would have no lower bound, so that a training would diverge.
        """
        rgb = batch.preds_rgb.clamp(0, 1)
        return 1 - colorfulness(rgb, absolute=self.opponents == "absolute") / 100


class TotalVariation(LossTerm):
    """The mean difference between predicted colors of neighboring pixels; chroma alone in the spaces lab and yuv."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean vertical plus the mean horizontal absolute difference, shape (B,)."""
        return total_variation(batch.preds)


class Gamut(LossTerm):
    """The excess of decoded colors beyond the sRGB gamut; decoding does not clip, so the gradient is not 0."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean squared excess of RGB beyond [0, 1] over channels and pixels, shape (B,)."""
        rgb = batch.preds_rgb
        # Detached, because inside the gamut the excess is 0 and outside the clipped color is constant.
        return image_mean(F.mse_loss(rgb, rgb.detach().clamp(0, 1), reduction="none"))


ENTRIES: tuple[LossEntry, ...] = (
    LossEntry(
        name="colorfulness",
        family="color",
        formula="1 - (sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2)) / 100 on RGB in 0..255; rg = |R - G|, "
        "yb = |(R + G) / 2 - B|, s and m over pixels",
        source="Kang et al. 2023 (DDColor), colorfulness loss; absolute opponents as in its code",
        build=Colorfulness,
        parameters={
            "opponents": Choice("absolute", ("absolute", "signed"), "|rg| and |yb|, or rg and yb (Hasler 2003)")
        },
        zero_at_target=False,
        compares=False,
    ),
    LossEntry(
        name="total_variation",
        family="color",
        formula="mean |c(y + 1, x) - c(y, x)| + mean |c(y, x + 1) - c(y, x)|, c the predicted color",
        source="Rudin, Osher, Fatemi 1992, anisotropic; means instead of sums",
        build=TotalVariation,
        zero_at_target=False,
        compares=False,
    ),
    LossEntry(
        name="gamut",
        family="color",
        formula="mean (rgb - clip(rgb, 0, 1))^2",
        source="this project",
        build=Gamut,
        compares=False,
    ),
)
