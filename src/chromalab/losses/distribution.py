"""Losses of distributions: over the ab bins at every place, and over the classes of a whole image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor
from torch.autograd.function import once_differentiable

from chromalab.color.bins import BIN_COUNT, UNIFORM_SHARE, rebalancing_weights
from chromalab.color.bins_torch import at_resolution, soft_encode
from chromalab.losses.base import Choice, ColorBatch, LossEntry, LossTerm, Parameter
from chromalab.nets.classifiers import TEACHERS, TeacherName, load_teacher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CrossEntropy(LossTerm):
    """Cross-entropy between the true colors, softly encoded, and the predicted distribution over the ab bins.

    Zhang et al. 2016, eq. 2 to 4: at every place of the logits -w(q*) sum_q Z_q log Zhat_q, with Z the true color over
    its five nearest bins and q* the nearest. The paper sums over places; here it is their mean, so that a weight means
    the same at every size. The authors' code weighs the gradient alone and reports the loss unweighted, and silences
    images that are gray throughout; here value and gradient belong together, and gray photographs are left out of
    the data.

    Args:
        rebalance: lambda, the share of the uniform distribution in what the classes are weighted by. At 1 all weigh 1,
            as they do at any lambda until `use_prior` is called.
    """

    def __init__(self, rebalance: float = UNIFORM_SHARE) -> None:
        super().__init__()
        self.rebalance = rebalance
        self.class_weights: Tensor
        # Made anew from the prior at the start of every training, so no part of a checkpoint.
        self.register_buffer("class_weights", torch.ones(BIN_COUNT), persistent=False)

    def use_prior(self, prior: NDArray[np.float64]) -> None:
        """Weigh the classes by the smoothed distribution of the training photos' colors, (313,)."""
        self.class_weights.copy_(torch.from_numpy(rebalancing_weights(prior, self.rebalance)))

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the mean over places of the weighted cross-entropy in nats, shape (B,).

        Raises:
            RuntimeError: the network has no bins head.
        """
        logits = batch.bin_logits
        if logits is None:
            raise RuntimeError("cross_entropy was evaluated of a network without a bins head")
        if logits.dtype in {torch.float16, torch.bfloat16}:
            logits = logits.float()
        height, width = logits.shape[-2:]
        index, shares = soft_encode(at_resolution(batch.target_lab[:, 1:], (height, width)))
        weights = self.class_weights.to(logits)[index[:, 0]]
        return soft_cross_entropy(logits, index, shares.to(logits.dtype), weights)


def soft_cross_entropy(logits: Tensor, index: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy to target distributions of which few classes have a share.

    Args:
        logits: (B, Q, H, W).
        index: the classes that have a share, (B, K, H, W), at every place different ones.
        shares: their shares, summing to 1 at every place, (B, K, H, W).
        weights: of every place, (B, H, W).

    Returns:
        mean over places of -weight * sum_k share_k log softmax(logits)_k, shape (B,). Differentiable once, in the
        logits alone.
    """
    entropy: Tensor = _SoftCrossEntropy.apply(logits, index, shares, weights)  # type: ignore[no-untyped-call]
    return entropy


class _SoftCrossEntropy(torch.autograd.Function):
    """With the gradient written out, nothing of the logits' size is made but that gradient itself."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
        """Return (B,) as `soft_cross_entropy` says."""
        total = torch.logsumexp(logits, dim=1)
        ctx.save_for_backward(logits, total, index, shares, weights)
        entropy = total - (shares * logits.gather(1, index)).sum(dim=1)
        return (weights * entropy).mean(dim=(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient in the logits, softmax minus target times the weight of the place."""
        logits, total, index, shares, weights = ctx.saved_tensors
        places = weights.shape[1] * weights.shape[2]
        slope = (weights * (grad[:, None, None] / places)).unsqueeze(1)
        gradient = (logits - total.unsqueeze(1)).exp_().mul_(slope)
        return gradient.scatter_add_(1, index, shares * -slope), None, None, None


class ClassKL(LossTerm):
    """Divergence of the class head from what an ImageNet classifier sees in the gray image, as in ChromaGAN.

    KL(p || phat) = sum_c p_c log(p_c / phat_c), with p the classifier's distribution and phat the head's: the
    direction of Keras's `kld(y_true, y_pred)`, which the authors' `ChromaGAN.py` calls with VGG16's output first. That
    code hands VGG16 the lightness in [0, 1], in three channels of 224 px, without the normalization that its weights
    were trained with; here the teacher gets the gray image as the sRGB that it knows, at the image's own size.
    Keras keeps both distributions above 1e-7; as logarithms they need no such floor.

    Args:
        teacher: a name of `TEACHERS`, or `auto`: VGG16, as in ChromaGAN, where its weights are here with those of its
            classifier, else EfficientNet-Lite0.

    Raises:
        MissingWeightsError: the teacher's weights are not here.
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
            raise RuntimeError("class_kl was evaluated of a network without a class head")
        given = F.log_softmax(_at_least_single(batch.class_logits), dim=1)
        with torch.no_grad():
            grey = batch.space.decode(batch.lightness, batch.space.grey(batch.lightness))
            target = F.log_softmax(_at_least_single(self.teacher(grey)), dim=1)
        return (target.exp() * (target - given)).sum(dim=1)


def _at_least_single(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in {torch.float16, torch.bfloat16} else logits


ENTRIES: tuple[LossEntry, ...] = (
    LossEntry(
        name="cross_entropy",
        family="distribution",
        formula="mean_hw -w_q* sum_q Z_q log Zhat_q; Z the true color over its 5 nearest ab bins, q* the nearest",
        source="Zhang et al. 2016, eq. 2 to 4; mean over places instead of their sum",
        build=CrossEntropy,
        parameters={
            "rebalance": Parameter(
                UNIFORM_SHARE, 0.01, 1, "lambda, share of the uniform distribution; 1 weighs all colors alike"
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
            "teacher": Choice("auto", ("auto", *TEACHERS), "the classifier; auto takes VGG16 where it is here")
        },
        needs=("classes", "efficientnet_lite0"),
        zero_at_target=False,
        compares=False,
    ),
)
