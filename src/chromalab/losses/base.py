"""Base classes of losses: the registry entry, the term that it builds, and the batch on which terms are evaluated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from chromalab.color.spaces import AB_SCALE, rgb_to_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.color.spaces import TrainingSpace
    from chromalab.nets.unet import Prediction

Family = Literal["pixel", "distribution", "perceptual", "adversarial", "color"]


class ColorBatch:
    """The input of losses: network input, prediction and ground truth of a batch.

    Args:
        space: the training space of `lightness`, `preds` and `target`.
        lightness: the network's input, (B, 1, H, W).
        preds: the predicted color, (B, C, H, W).
        target: the true color, (B, C, H, W).
        target_rgb: the true photo, sRGB (B, 3, H, W) in [0, 1].
        critic: scores (lightness, color); only for adversarial terms.
        bin_logits: the network's logits over the ab bins, (B, 313, h, w); only for terms over bins.
        class_logits: the network's logits over ImageNet's classes, (B, 1000); only for terms over classes.
    """

    def __init__(
        self,
        space: TrainingSpace,
        lightness: Tensor,
        preds: Tensor,
        target: Tensor,
        target_rgb: Tensor,
        critic: nn.Module | None = None,
        bin_logits: Tensor | None = None,
        class_logits: Tensor | None = None,
    ) -> None:
        self.space = space
        self.lightness = lightness
        self.preds = preds
        self.target = target
        self.target_rgb = target_rgb
        self.critic = critic
        self.bin_logits = bin_logits
        self.class_logits = class_logits

    @classmethod
    def of(cls, space: TrainingSpace, preds_rgb: Tensor, target_rgb: Tensor) -> ColorBatch:
        """Return the batch with prediction `preds_rgb` and ground truth `target_rgb`, both sRGB (B, 3, H, W)."""
        lightness, target = space.encode(target_rgb)
        return cls(space, lightness, space.encode(preds_rgb)[1], target, target_rgb)

    def predict(self, prediction: Prediction) -> None:
        """Set the prediction of a network; call this before any term evaluates the batch."""
        self.preds, self.bin_logits, self.class_logits = prediction

    @cached_property
    def preds_rgb(self) -> Tensor:
        """The prediction as sRGB (B, 3, H, W), not clipped, so that colors outside the gamut are beyond [0, 1]."""
        return self.space.decode(self.lightness, self.preds)

    @cached_property
    def preds_lab(self) -> Tensor:
        """The prediction as CIELAB (B, 3, H, W), L* in [0, 100]."""
        return self._as_lab(self.preds) if self.space.name == "lab" else rgb_to_lab(self.preds_rgb)

    @cached_property
    def target_lab(self) -> Tensor:
        """The ground truth as CIELAB (B, 3, H, W), L* in [0, 100]."""
        return self._as_lab(self.target) if self.space.name == "lab" else rgb_to_lab(self.target_rgb)

    def _as_lab(self, color: Tensor) -> Tensor:
        return torch.cat([self.lightness * 100, color * AB_SCALE], dim=1)

    @cached_property
    def critic_scores(self) -> Tensor:
        """The critic's scores of the prediction, (B, h, w); h = w = 1 for a critic of whole images."""
        if self.critic is None:
            raise RuntimeError("an adversarial term was evaluated without a critic")
        scores: Tensor = self.critic(self.lightness, self.preds)
        return scores


class LossTerm(nn.Module, ABC):
    """A loss, which maps a batch to one value per image; lower is better. Only `compose` reduces over images.

    Attributes:
        network: the network whose outputs the loss uses, if it is known only after building; otherwise the entry has
            it.
        smallest_px: the shortest side of an image for which the loss is defined.
    """

    network: str | None = None
    smallest_px: int = 1

    def use_prior(self, prior: NDArray[np.float64]) -> None:
        """Set the smoothed distribution of the training photos' colors over the ab bins, (313,), before training."""

    def bin_weights(self) -> NDArray[np.float64] | None:
        """Return the positive weights of the ab bins, (313,), which an exported model undoes; None if it has none."""
        return None

    @abstractmethod
    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the loss of every image, shape (B,)."""


class CriticLoss(NamedTuple):
    """The loss of a critic.

    Attributes:
        total: the loss to minimize, a scalar.
        facts: values for the log, detached scalars by name. Every adversarial term returns `distance` (mean score of
            true minus mean score of generated images) and `accuracy` (share of photos whose true colors score above
            the generated ones); a term with a gradient penalty also returns `gradient_norm`.
    """

    total: Tensor
    facts: dict[str, Tensor]


class AdversarialTerm(LossTerm):
    """A loss with a critic. The term defines what critic and colorizer minimize; the training loop owns the critic."""

    critic_steps: int = 1

    @abstractmethod
    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        """Return the loss that the critic minimizes on `batch`, whose `preds` carry no gradient."""

    def after_critic_step(self, critic: nn.Module) -> None:
        """Change the critic's weights after a step of its optimizer, for example by clipping."""


@dataclass(frozen=True)
class Parameter:
    """A numeric parameter of a loss, such as `delta` in `huber(delta=0.1)`."""

    default: float
    low: float
    high: float
    meaning: str
    integer: bool = False


@dataclass(frozen=True)
class Choice:
    """A parameter of a loss that is one of several words, such as `opponents` in `colorfulness(opponents=signed)`."""

    default: str
    options: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class LossEntry:
    """The registry entry of a loss: facts about it, and how to build it.

    Attributes:
        name: permanent registry name.
        family: kind of loss.
        formula: the formula in one line; e is prediction minus target, and means are over channels and pixels.
        source: the publication, with the number of the equation if there is one.
        build: keyword parameters -> term.
        parameters: the parameters of `build`.
        needs: requirements: `critic`, `bins` (the head with logits over the ab bins), `prior` (the distribution of the
            training photos' colors over the bins), `classes` (the head with logits over ImageNet's classes), or the
            name of a network in the weights manifest.
        network: the network whose features it compares; metrics over the same network are not independent of it.
        zero_at_target: whether the loss of a perfect prediction is 0.
        compares: whether the loss depends on the target.
    """

    name: str
    family: Family
    formula: str
    source: str
    build: Callable[..., LossTerm]
    parameters: Mapping[str, Parameter | Choice] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    network: str | None = None
    zero_at_target: bool = True
    compares: bool = True

    @property
    def acts_on_colors(self) -> bool:
        """Whether the loss acts on the color of every pixel, and not on logits over bins or classes."""
        return not {"bins", "classes"} & set(self.needs)
