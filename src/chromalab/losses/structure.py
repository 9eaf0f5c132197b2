"""Dissimilarity of local structure, on sRGB whatever the training space is; colors are not clipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.functional.ms_ssim import WEIGHTS, ms_ssim, smallest_side_px
from chromalab.functional.ssim import WINDOW_PX, ssim
from chromalab.losses.base import ColorBatch, LossEntry, LossTerm, Parameter

if TYPE_CHECKING:
    from torch import Tensor


class SSIM(LossTerm):
    """One minus the structural similarity; Kornia's `ssim_loss` is half of it."""

    smallest_px = WINDOW_PX

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return 1 - SSIM, shape (B,), in [0, 2].

        Raises:
            PictureTooSmallError: a side is shorter than the window's 11 px.
        """
        return 1 - ssim(batch.preds_rgb, batch.target_rgb)


class MultiScaleSSIM(LossTerm):
    """One minus the multi-scale structural similarity.

    Args:
        scales: how many; the published five need pictures of at least 161 px, four 81, three 41, two 21, one 11.
    """

    def __init__(self, scales: float = len(WEIGHTS)) -> None:
        super().__init__()
        self.scales = int(scales)
        self.smallest_px = smallest_side_px(self.scales)

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return 1 - MS-SSIM, shape (B,), in [0, 1].

        Raises:
            PictureTooSmallError: a side is shorter than `smallest_px`.
        """
        return 1 - ms_ssim(batch.preds_rgb, batch.target_rgb, self.scales)


ENTRIES = (
    LossEntry(
        name="ssim",
        family="perceptual",
        formula="1 - SSIM, mean over R, G, B and interior pixels; Gaussian window 11x11, sigma 1.5, range 1",
        source="Wang et al. 2004, eq. 13, on RGB instead of luminance",
        build=SSIM,
    ),
    LossEntry(
        name="ms_ssim",
        family="perceptual",
        formula="1 - mean over R, G, B of l_M^w_M prod_j cs_j^w_j over M = scales halvings, w .0448 .2856 .3001 .2363 "
        ".1333",
        source="Wang, Simoncelli, Bovik 2003, eq. 7, on RGB instead of luminance; negative cs counts as 0",
        build=MultiScaleSSIM,
        parameters={
            "scales": Parameter(
                len(WEIGHTS),
                1,
                len(WEIGHTS),
                "for 5 sides of 161 px and more; 81, 41, 21, 11 px for fewer",
                integer=True,
            )
        },
    ),
)
