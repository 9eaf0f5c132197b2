"""Penalties on the gradient of a critic, which keep it from telling true and generated colors apart too steeply.

All look at the gradient with respect to the color alone, whatever else the critic sees: the lightness is the same in
true and generated pictures, so the critic has nothing to gain there. It is the gradient of the *summed* scores of a
picture, as in ChromaGAN's published code, while both players are trained on their *mean*: the more patches a picture
has, the less steep may their mean be. For a critic of whole pictures, as in the penalties' own papers, it is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from chromalab.losses.base import ColorBatch


def score_gradient(scores: Tensor, color: Tensor) -> Tensor:
    """Return the gradient of every picture's summed scores, to be differentiated once more.

    Args:
        scores: (B, h, w), of `color`.
        color: (B, C, H, W), requires a gradient.

    Returns:
        (B, C * H * W). A picture's scores depend on its own colors alone, so one sum over the batch gives them all.
    """
    gradient: Tensor = torch.autograd.grad(scores.sum(), color, create_graph=True)[0]
    return gradient.flatten(1)


def gradient_norms(critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> Tensor:
    """Return |d sum(scores) / d color| of every picture at a random point between target and prediction, shape (B,).

    The points are those of Gulrajani et al. 2017, algorithm 1: evenly distributed between the two, one for a picture.
    Where the gradient is 0 the norm's own gradient is 0.
    """
    share = torch.rand(len(batch.preds), 1, 1, 1, generator=generator).to(batch.preds)
    between = torch.lerp(batch.target, batch.preds, share).requires_grad_()
    norms: Tensor = torch.linalg.vector_norm(score_gradient(critic(batch.lightness, between), between), dim=1)
    return norms


def one_centerd(norms: Tensor) -> Tensor:
    """Return the mean of (|gradient| - 1)^2, a scalar (Gulrajani et al. 2017, eq. 3)."""
    return (norms - 1).square().mean()


def zero_centerd(gradients: Tensor) -> Tensor:
    """Return half the mean of |gradient|^2, a scalar (Mescheder et al. 2018, eq. 9: R1 where it is taken at the truth).

    The authors' published code leaves out the half: its weight of 10 is 20 here.
    """
    return gradients.square().sum(dim=1).mean() / 2
