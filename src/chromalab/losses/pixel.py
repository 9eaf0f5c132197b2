"""Errors of single pixels, in the normalised units of the training space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.losses.base import ColorBatch, LossEntry, LossTerm

if TYPE_CHECKING:
    from torch import Tensor


class L1(LossTerm):
    """Mean absolute error over colour channels and pixels."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean |preds - target|, shape (B,). At equality the gradient is 0."""
        return (batch.preds - batch.target).abs().mean(dim=(1, 2, 3))


class L2(LossTerm):
    """Mean squared error over colour channels and pixels."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean (preds - target)^2, shape (B,)."""
        return (batch.preds - batch.target).square().mean(dim=(1, 2, 3))


ENTRIES = (
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
)
