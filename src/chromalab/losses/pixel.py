"""Pixel losses: errors and their gradients in units of the training space, or color differences in CIELAB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.color.spaces import AB_SCALE
from chromalab.functional.delta_e import delta_e_76, mean_delta_e_2000
from chromalab.functional.laplacian import laplacian_pyramid
from chromalab.functional.pixel_error import image_mean, total_variation
from chromalab.losses.base import Choice, ColorBatch, LossEntry, LossTerm, Parameter

if TYPE_CHECKING:
    from torch import Tensor

HuberForm = Literal["smooth_l1", "huber"]

CIELAB_UNIT = 1 / AB_SCALE
"""One CIELAB unit in the units of the training space lab."""


class L1(LossTerm):
    """Mean absolute error over color channels and pixels."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean |preds - target|, shape (B,). The gradient is 0 at equality."""
        return image_mean((batch.preds - batch.target).abs())


class L2(LossTerm):
    """Mean squared error over color channels and pixels."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean (preds - target)^2, shape (B,)."""
        return image_mean(F.mse_loss(batch.preds, batch.target, reduction="none"))


class Huber(LossTerm):
    """Squared small errors and absolute large errors; mean over color channels and pixels.

    Huber's function is e^2 / 2 for |e| < delta and delta (|e| - delta / 2) beyond, as written by Zhang et al. 2017 and
    Su et al. 2020 (InstColorization). The `HuberLoss` of their published PyTorch code divides it by delta, which is
    PyTorch's smooth L1 with beta = delta: e^2 / (2 delta), then |e| - delta / 2, so that large errors count as in `l1`.
    Published weights refer to the code, so its form is the default. The code also sums over the channels a and b, while
    this loss takes the mean: InstColorization's weight of 10 corresponds to 20.

    Args:
        delta: the error at which the square ends; the default is one CIELAB unit in the space lab, as in the code.
        form: `smooth_l1`, or `huber`, which is larger by the factor delta.
    """

    def __init__(self, delta: float = CIELAB_UNIT, form: HuberForm = "smooth_l1") -> None:
        super().__init__()
        self.delta = delta
        self.form = form

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean Huber function of preds - target, shape (B,)."""
        if self.form == "huber":
            errors = F.huber_loss(batch.preds, batch.target, reduction="none", delta=self.delta)
        else:
            errors = F.smooth_l1_loss(batch.preds, batch.target, reduction="none", beta=self.delta)
        return image_mean(errors)


class Charbonnier(LossTerm):
    """A smooth absolute value, sqrt(e^2 + eps^2); mean over color channels and pixels.

    Lai et al. 2017 use this form with eps = 0.001 and a sum instead of the mean; it goes back to Charbonnier et al.
    1994. The loss of a perfect prediction is eps. Kornia's `charbonnier_loss` is Barron's: this form with eps = 1,
    minus 1.

    Args:
        eps: width of the rounded tip.
    """

    def __init__(self, eps: float = 1e-3) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean sqrt((preds - target)^2 + eps^2), shape (B,)."""
        squares = F.mse_loss(batch.preds, batch.target, reduction="none")
        return image_mean((squares + self.eps**2).sqrt())


class DeltaE76(LossTerm):
    """Mean over pixels of the distance in CIELAB, in CIELAB units for every training space."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean sqrt(dL*^2 + da*^2 + db*^2), shape (B,). The gradient is 0 for equal colors."""
        return delta_e_76(batch.preds_lab, batch.target_lab).mean(dim=(1, 2))


class DeltaE2000(LossTerm):
    """Mean over pixels of CIEDE2000 (about 1 is just noticeable), in the same units for every training space."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean CIEDE2000 difference, shape (B,). The gradient is 0 for equal colors."""
        return mean_delta_e_2000(batch.preds_lab, batch.target_lab)


class GradientL1(LossTerm):
    """Mean absolute error of the differences between neighboring pixels.

    It is the total variation of the error, so a constant error costs nothing. Mathieu et al. 2016 compare the absolute
    values of the differences; this loss compares the differences with their signs, so that an edge from red to green is
    not the same as one from green to red.
    """

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean |dy preds - dy target| + mean |dx preds - dx target|, shape (B,). The gradient is 0 at equality.

        A direction with a single pixel contributes 0.
        """
        return total_variation(batch.preds - batch.target)


class LaplacianPyramid(LossTerm):
    """Sum over the levels of a Laplacian pyramid of the mean absolute error.

    It is Lap1 of Bojanowski et al. 2018, sum_j 2^(2j) |L_j(preds) - L_j(target)|_1, divided by the size of the image:
    level j has 2^(2j) times fewer pixels than the image. The paper gives neither the kernel nor the number of levels.

    Args:
        levels: number of levels with the remainder; at 1 the loss is that of `l1`. Levels coarser than one pixel
            contribute only through the remainder.
    """

    def __init__(self, levels: float = 5) -> None:
        super().__init__()
        self.levels = int(levels)

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return sum_j mean |L_j(preds) - L_j(target)|, shape (B,). The gradient is 0 at equality."""
        errors = laplacian_pyramid(batch.preds - batch.target, self.levels)
        return torch.stack([image_mean(level.abs()) for level in errors]).sum(dim=0)


ENTRIES: tuple[LossEntry, ...] = (
    LossEntry(
        name="l1",
        family="pixel",
        formula="mean |e|",
        source="Isola et al. 2017 (pix2pix), eq. 3; mean instead of sum",
        build=L1,
    ),
    LossEntry(
        name="l2",
        family="pixel",
        formula="mean e^2",
        source="Zhang et al. 2016, eq. 1; mean instead of half the sum",
        build=L2,
    ),
    LossEntry(
        name="huber",
        family="pixel",
        formula="mean of e^2 / (2 delta) where |e| < delta, |e| - delta / 2 beyond; form=huber: delta times that",
        source="Zhang et al. 2017 and Su et al. 2020 (InstColorization), as in their code; mean over a and b, not sum",
        build=Huber,
        parameters={
            "delta": Parameter(
                CIELAB_UNIT, 1e-6, 1e3, "error at which the square ends; 1/110 is one CIELAB unit in lab"
            ),
            "form": Choice("smooth_l1", ("smooth_l1", "huber"), "slope of large errors: 1, or delta (Huber's own)"),
        },
    ),
    LossEntry(
        name="charbonnier",
        family="pixel",
        formula="mean sqrt(e^2 + eps^2)",
        source="Lai et al. 2017 (LapSRN), section 3.2, after Charbonnier et al. 1994; mean instead of sum",
        build=Charbonnier,
        parameters={"eps": Parameter(1e-3, 1e-6, 1e3, "width of the rounded tip, and loss of a perfect prediction")},
        zero_at_target=False,
    ),
    LossEntry(
        name="delta_e_76",
        family="pixel",
        formula="mean sqrt(dL*^2 + da*^2 + db*^2), in CIELAB units",
        source="CIE 1976 (L*a*b*); as a loss on images: mean over pixels",
        build=DeltaE76,
    ),
    LossEntry(
        name="delta_e_2000",
        family="pixel",
        formula="mean CIEDE2000, in its units",
        source="Sharma, Wu, Dalal 2005, eq. 2-22; as a loss on images: mean over pixels",
        build=DeltaE2000,
    ),
    LossEntry(
        name="gradient_l1",
        family="pixel",
        formula="mean |e(y + 1, x) - e(y, x)| + mean |e(y, x + 1) - e(y, x)|",
        source="Mathieu, Couprie, LeCun 2016, gradient difference loss, with signed differences and means",
        build=GradientL1,
    ),
    LossEntry(
        name="laplacian_pyramid",
        family="pixel",
        formula="sum_j mean |L_j(e)|, L_j the levels of a Laplacian pyramid, the last one its remainder",
        source="Bojanowski et al. 2018 (GLO), Lap1, over the pyramid of Burt and Adelson 1983; means instead of sums",
        build=LaplacianPyramid,
        parameters={"levels": Parameter(5, 1, 10, "number of levels; 1 is l1", integer=True)},
    ),
)
