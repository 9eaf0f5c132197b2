"""Losses of predicted distributions: over the ab bins at every place, and over the classes of a whole image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor
from torch.autograd.function import once_differentiable

from chromalab.color.bins import BIN_COUNT, UNIFORM_SHARE, rebalancing_weights
from chromalab.color.bins_torch import at_resolution, soft_encode
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

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean over places of the weighted cross-entropy in nats, shape (B,).

        Raises:
            RuntimeError: the network has no bins head.
        """
        logits = batch.bin_logits
        if logits is None:
            raise RuntimeError("cross_entropy was evaluated on a network without a bins head")
        logits = at_least_single(logits)
        height, width = logits.shape[-2:]
        index, shares = soft_encode(at_resolution(batch.target_lab[:, 1:], (height, width)))
        weights = self.class_weights.to(logits)[index[:, 0]]
        return soft_cross_entropy(logits, index, shares.to(logits.dtype), weights)


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
)
