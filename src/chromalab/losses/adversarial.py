"""Adversarial losses: a critic learns to distinguish generated from true colors.

D is the critic's unbounded score of a patch. If a paper's discriminator ends in a sigmoid s, D is the input of that
sigmoid. Colorizer and critic minimize means over patches and images. The losses differ in the function of the score
that each side minimizes, and in the penalties on the critic.

Penalties limit the critic's gradient with respect to the color alone, whatever else the critic sees: true and generated
images have the same lightness. The gradient is that of the *summed* scores of an image, as in ChromaGAN's published
code, while both networks are trained on the *mean* score. The two agree for critics that give one score per image.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.losses.base import AdversarialTerm, Choice, ColorBatch, CriticLoss, LossEntry, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from chromalab.losses.base import ColorBatch


class GANLoss(AdversarialTerm):
    """Base class of the adversarial losses.

    Args:
        critic_steps: critic updates for each colorizer update.
        penalty: weight of (|grad D| - 1)^2 between true and generated colors, see `one_centered`; 0 disables it.
        r1: weight of |grad D|^2 / 2 at the true colors, see `zero_centered`; 0 disables it.
    """

    def __init__(self, critic_steps: float = 1, penalty: float = 0.0, r1: float = 0.0) -> None:
        super().__init__()
        self.critic_steps = int(critic_steps)
        self.penalty = penalty
        self.r1 = r1

    @abstractmethod
    def colorizer_cost(self, generated: Tensor) -> Tensor:
        """Return the colorizer's cost for the scores of its colors, in the same shape."""

    @abstractmethod
    def critic_cost(self, true: Tensor, generated: Tensor) -> Tensor:
        """Return the critic's cost for its scores of true and generated colors, in the same shape."""

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the colorizer's mean cost over the patches of every image, shape (B,)."""
        return self.colorizer_cost(batch.critic_scores).mean(dim=(1, 2))

    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        """Return the critic's mean cost with the weighted penalties.

        With both penalties, `gradient_norm` in the log is that between true and generated colors.
        """
        target = batch.target.detach().requires_grad_(self.r1 > 0)
        true, generated = critic(batch.lightness, target), critic(batch.lightness, batch.preds)
        total = self.critic_cost(true, generated).mean()
        facts = _score_facts(true.detach(), generated.detach())
        if self.r1 > 0:
            gradients = score_gradient(true, target)
            total = total + self.r1 * zero_centered(gradients)
            facts["gradient_norm"] = gradients.detach().norm(dim=1).mean()
        if self.penalty > 0:
            norms = gradient_norms(critic, batch, generator)
            total = total + self.penalty * one_centered(norms)
            facts["gradient_norm"] = norms.detach().mean()
        return CriticLoss(total, facts)


def _score_facts(true: Tensor, generated: Tensor) -> dict[str, Tensor]:
    truths, fakes = true.mean(dim=(1, 2)), generated.mean(dim=(1, 2))
    return {"distance": (truths - fakes).mean(), "accuracy": (truths > fakes).float().mean()}


class GAN(GANLoss):
    """The original GAN (Goodfellow et al. 2014, eq. 1): the critic is a logistic classifier with the logit D.

    The saturating form of the colorizer's loss is eq. 1 itself, log(1 - s(D)), which is nearly flat if the critic is
    certain. The nonsaturating form, -log s(D), is used for training in the paper (section 3), pix2pix and DDColor.

    The two halves of the critic's loss are added, as in the paper. Isola et al. (pix2pix, section 3.3) divide their sum
    by 2 to slow the critic down. Adam and RMSProp are invariant to such a factor, so it only affects the values in the
    log and the meaning of a penalty's weight.

    Args:
        form: form of the colorizer's loss, `nonsaturating` or `saturating`.
        critic_steps: critic updates for each colorizer update.
        penalty: weight of the one-centered penalty.
        r1: weight of the zero-centered penalty.
    """

    def __init__(
        self, form: str = "nonsaturating", critic_steps: float = 1, penalty: float = 0.0, r1: float = 0.0
    ) -> None:
        super().__init__(critic_steps, penalty, r1)
        self.saturating = form == "saturating"

    def colorizer_cost(self, generated: Tensor) -> Tensor:
        """Return -log s(D), or log(1 - s(D)) in the saturating form; finite for every score."""
        return -F.softplus(generated) if self.saturating else F.softplus(-generated)

    def critic_cost(self, true: Tensor, generated: Tensor) -> Tensor:
        """Return -log s(D) of the true plus -log(1 - s(D)) of the generated colors."""
        return F.softplus(-true) + F.softplus(generated)


class LSGAN(GANLoss):
    """Least squares GAN (Mao et al. 2017, eq. 2 with a = 0 and b = c = 1, which is eq. 9), with its factors of 1/2."""

    def colorizer_cost(self, generated: Tensor) -> Tensor:
        """Return (D - 1)^2 / 2."""
        return (generated - 1).square() / 2

    def critic_cost(self, true: Tensor, generated: Tensor) -> Tensor:
        """Return (D - 1)^2 / 2 of the true plus D^2 / 2 of the generated colors."""
        return ((true - 1).square() + generated.square()) / 2


class Hinge(GANLoss):
    """Hinge GAN (Lim and Ye 2017; Miyato et al. 2018, eq. 16, 17), as in BigGAN; BigColor halves the critic's loss."""

    def colorizer_cost(self, generated: Tensor) -> Tensor:
        """Return -D."""
        return -generated

    def critic_cost(self, true: Tensor, generated: Tensor) -> Tensor:
        """Return max(0, 1 - D) of the true plus max(0, 1 + D) of the generated colors."""
        return F.relu(1 - true) + F.relu(1 + generated)


class WGANGP(GANLoss):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, eq. 3) on the color alone, as in ChromaGAN.

    The default of one critic step for each colorizer step is that of ChromaGAN; Gulrajani et al. take 5.
    """

    def __init__(self, penalty: float = 10.0, critic_steps: float = 1, r1: float = 0.0) -> None:
        super().__init__(critic_steps, penalty, r1)

    def colorizer_cost(self, generated: Tensor) -> Tensor:
        """Return -D."""
        return -generated

    def critic_cost(self, true: Tensor, generated: Tensor) -> Tensor:
        """Return D of the generated minus D of the true colors."""
        return generated - true


class WGAN(WGANGP):
    """Wasserstein GAN with clipped weights (Arjovsky et al. 2017, algorithm 1).

    Every weight of the critic, including biases and norms as in the published code, is kept in [-clip, clip].

    Args:
        clip: the largest absolute weight.
        critic_steps: critic updates for each colorizer update.
        penalty: weight of the one-centered penalty.
        r1: weight of the zero-centered penalty.
    """

    def __init__(self, clip: float = 0.01, critic_steps: float = 5, penalty: float = 0.0, r1: float = 0.0) -> None:
        super().__init__(penalty, critic_steps, r1)
        self.clip = clip

    def after_critic_step(self, critic: nn.Module) -> None:
        """Clip every weight of the critic after a step, as in the paper; the published code clips before each step."""
        with torch.no_grad():
            for weight in critic.parameters():
                weight.clamp_(-self.clip, self.clip)


_LARGEST_WEIGHT = 1e6


def _entry(
    name: str,
    formula: str,
    source: str,
    build: Callable[..., GANLoss],
    own: dict[str, Parameter | Choice] | None = None,
    *,
    critic_steps: int = 1,
    penalty: float = 0.0,
) -> LossEntry:
    common = {
        "critic_steps": Parameter(critic_steps, 1, 100, "critic updates for each colorizer update", integer=True),
        "penalty": Parameter(
            penalty, 0.0, _LARGEST_WEIGHT, "weight of (|grad D| - 1)^2 between true and generated colors (WGAN-GP)"
        ),
        "r1": Parameter(0.0, 0.0, _LARGEST_WEIGHT, "weight of |grad D|^2 / 2 at the true colors (R1)"),
    }
    return LossEntry(
        name=name,
        family="adversarial",
        formula=formula,
        source=source,
        build=build,
        parameters=(own or {}) | common,
        needs=("critic",),
        zero_at_target=False,
    )


ENTRIES: tuple[LossEntry, ...] = (
    _entry(
        "gan",
        "-log s(D(preds)), s the sigmoid; critic: -log s(D(target)) - log(1 - s(D(preds)))",
        "Goodfellow et al. 2014, eq. 1 and section 3; as in Isola et al. 2017 (pix2pix), eq. 1",
        GAN,
        {
            "form": Choice(
                "nonsaturating",
                ("nonsaturating", "saturating"),
                "the colorizer minimizes -log s(D), or log(1 - s(D))",
            )
        },
    ),
    _entry(
        "lsgan",
        "(D(preds) - 1)^2 / 2; critic: (D(target) - 1)^2 / 2 + D(preds)^2 / 2",
        "Mao et al. 2017, eq. 9",
        LSGAN,
    ),
    _entry(
        "hinge",
        "-D(preds); critic: max(0, 1 - D(target)) + max(0, 1 + D(preds))",
        "Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17",
        Hinge,
    ),
    _entry(
        "wgan",
        "-D(preds); critic: D(preds) - D(target), its weights clipped",
        "Arjovsky et al. 2017, algorithm 1",
        WGAN,
        {"clip": Parameter(0.01, 1e-6, 1e3, "largest absolute weight of the critic")},
        critic_steps=5,
    ),
    _entry(
        "wgan_gp",
        "-D(preds); critic: D(preds) - D(target) + penalty (|grad D| - 1)^2",
        "Gulrajani et al. 2017, eq. 3; critic and penalty as in Vitoria et al. 2020 (ChromaGAN)",
        WGANGP,
        penalty=10.0,
    ),
)


def score_gradient(scores: Tensor, color: Tensor) -> Tensor:
    """Return the gradient of the summed scores of every image, which can be differentiated again.

    Args:
        scores: scores of `color`, (B, h, w).
        color: (B, C, H, W), requires a gradient.

    Returns:
        (B, C * H * W). The scores of an image depend only on its own colors, so one backward pass over the sum of the
        batch gives all gradients.
    """
    gradient: Tensor = torch.autograd.grad(scores.sum(), color, create_graph=True)[0]
    return gradient.flatten(1)


def gradient_norms(critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> Tensor:
    """Return |d sum(scores) / d color| of every image at a random point between target and prediction, shape (B,).

    The points are those of Gulrajani et al. 2017, algorithm 1: uniformly distributed between the two, one per image.
    If the gradient is 0, the gradient of its norm is 0.
    """
    share = torch.rand(len(batch.preds), 1, 1, 1, generator=generator).to(batch.preds)
    between = torch.lerp(batch.target, batch.preds, share).requires_grad_()
    norms: Tensor = torch.linalg.vector_norm(score_gradient(critic(batch.lightness, between), between), dim=1)
    return norms


def one_centered(norms: Tensor) -> Tensor:
    """Return the mean of (|gradient| - 1)^2, a scalar (Gulrajani et al. 2017, eq. 3)."""
    return (norms - 1).square().mean()


def zero_centered(gradients: Tensor) -> Tensor:
    """Return half the mean of |gradient|^2, a scalar (Mescheder et al. 2018, eq. 9: R1 if taken at the true colors).

    The authors' published code has no factor of 1/2: its weight of 10 corresponds to 20.
    """
    return gradients.square().sum(dim=1).mean() / 2
