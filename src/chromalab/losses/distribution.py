"""Losses of distributions: over the ab bins at every place, of the colors of an image, and over its classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor
from torch.autograd.function import once_differentiable

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT, SIGMA, UNIFORM_SHARE, rebalancing_weights
from chromalab.color.bins_torch import at_resolution, soft_encode
from chromalab.core.seeds import derive_seed
from chromalab.functional.sliced_wasserstein import random_directions, sliced_wasserstein
from chromalab.functional.tensors import at_least_single
from chromalab.losses.base import Choice, ColorBatch, LossEntry, LossTerm, Parameter
from chromalab.nets.classifiers import TEACHERS, TeacherName, load_teacher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CrossEntropy(LossTerm):
    """Cross-entropy between the softly encoded true colors and the predicted distribution over the ab bins.

    Zhang et al. 2016, eq. 2 to 4: at every place of the logits, -w(q*) sum_q Z_q log Zhat_q, with Z the true color over
    its five nearest bins and q* the nearest. The paper sums over places; this loss takes the mean, so that its weight
    does not depend on the image size. The authors' code weights only the gradient, reports the unweighted loss, and
    masks images that are entirely gray. Here the gradient is that of the weighted value, and gray photos are excluded
    from the data.

    Args:
        rebalance: lambda, the share of the uniform distribution in the class weights. At 1, and until `use_prior` is
            called, all weights are 1.
    """

    def __init__(self, rebalance: float = UNIFORM_SHARE) -> None:
        super().__init__()
        self.rebalance = rebalance
        self.class_weights: Tensor
        # Not part of a checkpoint, because it is computed from the prior at the start of every training.
        self.register_buffer("class_weights", torch.ones(BIN_COUNT), persistent=False)

    def use_prior(self, prior: NDArray[np.float64]) -> None:
        """Set the class weights from the smoothed distribution of the training photos' colors, (313,)."""
        self.class_weights.copy_(torch.from_numpy(rebalancing_weights(prior, self.rebalance)))

    def bin_weights(self) -> NDArray[np.float64]:
        """Return the class weights, (313,)."""
        weights: NDArray[np.float64] = self.class_weights.double().cpu().numpy()
        return weights

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean over places of the weighted cross-entropy in nats, shape (B,).

        Raises:
            RuntimeError: the network has no bins head.
        """
        logits, ab = _logits_and_colors(batch, "cross_entropy")
        index, shares = soft_encode(ab)
        weights = self.class_weights.to(logits)[index[:, 0]]
        return soft_cross_entropy(logits, index, shares.to(logits.dtype), weights)


def _logits_and_colors(batch: ColorBatch, loss: str) -> tuple[Tensor, Tensor]:
    """Return the logits over the bins, (B, 313, h, w), and the true (a*, b*) at their places, (B, 2, h, w)."""
    if batch.bin_logits is None:
        raise RuntimeError(f"{loss} was evaluated on a network without a bins head")
    height, width = batch.bin_logits.shape[-2:]
    return at_least_single(batch.bin_logits), at_resolution(batch.target_lab[:, 1:], (height, width))


def soft_cross_entropy(logits: Tensor, index: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy to sparse target distributions.

    Args:
        logits: (B, Q, H, W).
        index: the K classes with a nonzero share at every place, (B, K, H, W), without duplicates.
        shares: shares of these classes, summing to 1 at every place, (B, K, H, W).
        weights: weight of every place, (B, H, W).

    Returns:
        The mean over places of -weight * sum_k share_k log softmax(logits)_k, shape (B,). Differentiable once, only in
        the logits.
    """
    entropy: Tensor = _SoftCrossEntropy.apply(logits, index, shares, weights)  # type: ignore[no-untyped-call]
    return entropy


class _SoftCrossEntropy(torch.autograd.Function):
    """The cross-entropy with an explicit gradient, which allocates nothing else of the size of the logits."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
        """Return the cross-entropy, (B,), as described in `soft_cross_entropy`."""
        total = torch.logsumexp(logits, dim=1)
        ctx.save_for_backward(logits, total, index, shares, weights)
        entropy = total - (shares * logits.gather(1, index)).sum(dim=1)
        return (weights * entropy).mean(dim=(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient with respect to the logits: softmax minus target, times the weight of the place."""
        logits, total, index, shares, weights = ctx.saved_tensors
        places = weights.shape[1] * weights.shape[2]
        slope = (weights * (grad[:, None, None] / places)).unsqueeze(1)
        gradient = (logits - total.unsqueeze(1)).exp_().mul_(slope)
        return gradient.scatter_add_(1, index, shares * -slope), None, None, None


class GaussianMixture(LossTerm):
    """Negative log-likelihood of the true (a*, b*) under a mixture of Gaussians at the ab bins.

    Bishop 2006, eq. 5.153, with the distribution over the bins as mixing coefficients: p(ab) = sum_q Zhat_q N(ab; c_q,
    sigma^2 I). The 313 centers c_q and sigma are fixed (published: predicted like the coefficients), because the bins
    head predicts nothing else. Unlike `cross_entropy`, it lets the network choose how to divide a color between
    neighboring bins.

    Args:
        sigma: standard deviation of a component in CIELAB units; the default is that of the soft encoding.
    """

    def __init__(self, sigma: float = SIGMA) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean over places of -log p(ab) in nats, with ab in CIELAB units, shape (B,).

        It is at least log(2 pi sigma^2), the value if all probability is in a bin whose center is the true color.

        Raises:
            RuntimeError: the network has no bins head.
        """
        logits, ab = _logits_and_colors(batch, "gaussian_mixture")
        a, b = torch.tensor(BIN_CENTERS.T, dtype=logits.dtype, device=logits.device)[:, :, None, None]
        exponents = ((ab[:, :1] - a).square() + (ab[:, 1:] - b).square()) / (2 * self.sigma**2)
        likelihood = torch.logsumexp(logits - exponents, dim=1) - torch.logsumexp(logits, dim=1)
        return math.log(2 * math.pi * self.sigma**2) - likelihood.mean(dim=(1, 2))


class SlicedWasserstein(LossTerm):
    """Sliced Wasserstein distance between the predicted and the true colors of an image, wherever they are.

    The mean over random directions of W_p^p between the colors' projections; its p-th root would be the distance. The
    directions are the same in every step, so that equal batches have equal losses. In the spaces lab and yuv the
    colors are chroma alone, in rgb all three channels. Memory grows with the number of directions times pixels.

    Args:
        directions: number of directions.
        power: the exponent p, 1 or 2.
    """

    def __init__(self, directions: float = 16, power: float = 2) -> None:
        super().__init__()
        self.directions = int(directions)
        self.power = int(power)

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return mean |sort(theta . preds) - sort(theta . target)|^p over directions and pixels, shape (B,).

        The gradient is that of the current order of the projections, and 0 for equal sets of colors.
        """
        channels = batch.preds.shape[1]
        generator = torch.Generator().manual_seed(derive_seed("sliced_wasserstein", channels))
        directions = random_directions(self.directions, channels, generator)
        return sliced_wasserstein(batch.preds.flatten(2), batch.target.flatten(2), directions, self.power)


class ClassKL(LossTerm):
    """Divergence of the class head from an ImageNet classifier of the gray image, as in ChromaGAN.

    The loss is KL(p || phat) = sum_c p_c log(p_c / phat_c), with p the classifier's distribution and phat the head's.
    This is the direction of Keras's `kld(y_true, y_pred)`, which the authors' `ChromaGAN.py` calls with VGG16's output
    first. Their code feeds VGG16 with the lightness in [0, 1], in three channels of 224 px, without the normalization
    with which its weights were trained. Here the teacher gets the gray image as sRGB at its own size. Keras clips both
    distributions at 1e-7, which is not needed with logarithms.

    Args:
        teacher: a name in `TEACHERS`, or `auto`: VGG16, as in ChromaGAN, if its weights are installed with those of its
            classifier, otherwise EfficientNet-Lite0.

    Raises:
        MissingWeightsError: the weights of the teacher are not installed.
    """

    def __init__(self, teacher: TeacherName = "auto") -> None:
        super().__init__()
        self.network, network = load_teacher(teacher)
        self.teacher = network.requires_grad_(requires_grad=False).eval()

    def train(self, mode: bool = True) -> ClassKL:  # noqa: FBT001, FBT002 - PyTorch's own signature
        """Keep the teacher in evaluation mode whatever mode the term is in."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the divergence of every image in nats, shape (B,).

        Raises:
            RuntimeError: the network has no class head.
        """
        if batch.class_logits is None:
            raise RuntimeError("class_kl was evaluated on a network without a class head")
        given = F.log_softmax(at_least_single(batch.class_logits), dim=1)
        with torch.no_grad():
            grey = batch.space.decode(batch.lightness, batch.space.grey(batch.lightness))
            target = F.log_softmax(at_least_single(self.teacher(grey)), dim=1)
        return (target.exp() * (target - given)).sum(dim=1)


ENTRIES: tuple[LossEntry, ...] = (
    LossEntry(
        name="cross_entropy",
        family="distribution",
        formula="mean_hw -w_q* sum_q Z_q log Zhat_q; Z the true color over its 5 nearest ab bins, q* the nearest",
        source="Zhang et al. 2016, eq. 2 to 4; mean over places instead of their sum",
        build=CrossEntropy,
        parameters={
            "rebalance": Parameter(
                UNIFORM_SHARE, 0.01, 1, "lambda, share of the uniform distribution; 1 weights all colors equally"
            )
        },
        needs=("bins", "prior"),
        zero_at_target=False,
    ),
    LossEntry(
        name="class_kl",
        family="distribution",
        formula="sum_c p_c log(p_c / phat_c); p an ImageNet classifier's of the gray image, phat the class head's",
        source="Vitoria et al. 2020 (ChromaGAN), class distribution loss",
        build=ClassKL,
        parameters={
            "teacher": Choice("auto", ("auto", *TEACHERS), "the classifier; auto takes VGG16 if it is installed")
        },
        needs=("classes", "efficientnet_lite0"),
        zero_at_target=False,
        compares=False,
    ),
    LossEntry(
        name="gaussian_mixture",
        family="distribution",
        formula="mean_hw -log sum_q Zhat_q N(ab; c_q, sigma^2 I), c_q the centers of the ab bins, in CIELAB units",
        source="Bishop 2006, eq. 5.153 (mixture density networks, Bishop 1994), with fixed centers and widths",
        build=GaussianMixture,
        parameters={"sigma": Parameter(SIGMA, 1, 50, "standard deviation of a component in CIELAB units")},
        needs=("bins",),
        zero_at_target=False,
    ),
    LossEntry(
        name="sliced_wasserstein",
        family="distribution",
        formula="mean |sort(theta . preds) - sort(theta . target)|^p over random directions theta and pixels",
        source="Bonneel et al. 2015, without the p-th root; as a loss on images Heitz et al. 2021",
        build=SlicedWasserstein,
        parameters={
            "directions": Parameter(16, 1, 128, "number of random directions", integer=True),
            "power": Parameter(2, 1, 2, "the exponent p: 1, or 2 as in Heitz et al. 2021", integer=True),
        },
    ),
)
