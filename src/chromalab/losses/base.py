"""What a loss is: an entry of the registry that builds a term, and what a term gets to see."""

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
    """A batch as losses see it: network input, prediction and ground truth.

    Args:
        space: the training space of `lightness`, `preds` and `target`.
        lightness: the network's input, (B, 1, H, W).
        preds: the predicted color, (B, C, H, W).
        target: the true color, (B, C, H, W).
        target_rgb: the true photograph, sRGB (B, 3, H, W) in [0, 1].
        critic: scores (lightness, color); needed by adversarial terms only.
        bin_logits: the network's logits over the ab bins, (B, 313, h, w); needed by terms over bins only.
        class_logits: its logits over ImageNet's classes, (B, 1000); needed by terms over classes only.
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
        """Make the batch in which a network gave `preds_rgb` for the photographs `target_rgb`, both (B, 3, H, W)."""
        lightness, target = space.encode(target_rgb)
        return cls(space, lightness, space.encode(preds_rgb)[1], target, target_rgb)

    def predict(self, prediction: Prediction) -> None:
        """Set the prediction of a network; call this before any term evaluates the batch."""
        self.preds, self.bin_logits, self.class_logits = prediction

    @cached_property
    def preds_rgb(self) -> Tensor:
        """What the network gave as sRGB (B, 3, H, W); unclipped, so beyond [0, 1] where it left the gamut."""
        return self.space.decode(self.lightness, self.preds)

    @cached_property
    def preds_lab(self) -> Tensor:
        """What the network gave as CIELAB (B, 3, H, W), L* in [0, 100]."""
        return self._as_lab(self.preds) if self.space.name == "lab" else rgb_to_lab(self.preds_rgb)

    @cached_property
    def target_lab(self) -> Tensor:
        """The true photograph as CIELAB (B, 3, H, W), L* in [0, 100]."""
        return self._as_lab(self.target) if self.space.name == "lab" else rgb_to_lab(self.target_rgb)

    def _as_lab(self, color: Tensor) -> Tensor:
        return torch.cat([self.lightness * 100, color * AB_SCALE], dim=1)

    @cached_property
    def critic_scores(self) -> Tensor:
        """The critic's scores of what the network gave, (B, h, w); h = w = 1 for a critic of whole images."""
        if self.critic is None:
            raise RuntimeError("an adversarial term was evaluated without a critic")
        scores: Tensor = self.critic(self.lightness, self.preds)
        return scores


class LossTerm(nn.Module, ABC):
    """A loss: maps a batch to one value for each image, lower is better. Only `compose` reduces over images.

    Attributes:
        network: the network whose features or judgments it is trained on, where that is known only once it is built;
            otherwise the entry's.
        smallest_px: the shortest side of an image that it can be taken of.
    """

    network: str | None = None
    smallest_px: int = 1

    def use_prior(self, prior: NDArray[np.float64]) -> None:
        """Take the smoothed distribution of the training photos' colors over the ab bins, (313,), before training."""

    @abstractmethod
    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the loss of every image, shape (B,)."""


class CriticLoss(NamedTuple):
    """What a critic is trained on.

    Attributes:
        total: the loss to minimize, a scalar.
        facts: what the log says of the critic, detached scalars by name. Every adversarial term gives `distance` (mean
            score of true minus mean score of generated images) and `accuracy` (share of photographs whose true
            colors score above the generated ones); one with a penalty on gradients gives `gradient_norm`.
    """

    total: Tensor
    facts: dict[str, Tensor]


class AdversarialTerm(LossTerm):
    """A loss with a critic. The term defines what critic and colorizer minimize; the training loop owns the critic."""

    critic_steps: int = 1

    @abstractmethod
    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        """Return what the critic minimizes on `batch`, whose `preds` carry no gradient."""

    def after_critic_step(self, critic: nn.Module) -> None:
        """Change the critic's weights after a step of its optimizer, as clipping does."""


@dataclass(frozen=True)
class Parameter:
    """A number that a loss can be given, as in `huber(delta=0.1)`."""

    default: float
    low: float
    high: float
    meaning: str
    integer: bool = False


@dataclass(frozen=True)
class Choice:
    """A word that a loss can be given, as in `colorfulness(opponents=signed)`."""

    default: str
    options: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class LossEntry:
    """The facts about a loss and how to build it.

    Attributes:
        name: permanent registry name.
        family: what kind of loss it is.
        formula: the formula in one line; e is prediction minus target, means run over channels and pixels.
        source: where it was published, with the equation where there is one.
        build: keyword parameters -> term.
        parameters: what `build` takes.
        needs: what it can't do without: `critic`, `bins` (the head that gives logits over ab bins), `prior` (the
            distribution of the training photos over the bins), `classes` (the head that gives logits over ImageNet's
            classes), or the name of a network in the weights manifest.
        network: the network whose features it compares; metrics over the same network are no independent judges.
        zero_at_target: whether the loss of a perfect prediction is 0.
        compares: whether it looks at the target at all.
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
