"""What a loss is: an entry of the registry that builds a term, and what a term gets to see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from chromalab.color.spaces import TrainingSpace

Family = Literal["pixel", "distribution", "perceptual", "adversarial", "color"]


class ColorBatch:
    """A batch as losses see it: what went in, what the network gave, and what was true.

    Args:
        space: the training space of `lightness`, `preds` and `target`.
        lightness: what the network saw, (B, 1, H, W).
        preds: what it gave, (B, C, H, W).
        target: what was true, (B, C, H, W).
        target_rgb: the true photograph, sRGB (B, 3, H, W) in [0, 1].
        critic: scores (lightness, color); needed by adversarial terms only.
    """

    def __init__(
        self,
        space: TrainingSpace,
        lightness: Tensor,
        preds: Tensor,
        target: Tensor,
        target_rgb: Tensor,
        critic: nn.Module | None = None,
    ) -> None:
        self.space = space
        self.lightness = lightness
        self.preds = preds
        self.target = target
        self.target_rgb = target_rgb
        self.critic = critic

    @classmethod
    def of(cls, space: TrainingSpace, preds_rgb: Tensor, target_rgb: Tensor) -> ColorBatch:
        """Make the batch in which a network gave `preds_rgb` for the photographs `target_rgb`, both (B, 3, H, W)."""
        lightness, target = space.encode(target_rgb)
        return cls(space, lightness, space.encode(preds_rgb)[1], target, target_rgb)

    @cached_property
    def preds_rgb(self) -> Tensor:
        """What the network gave as sRGB (B, 3, H, W); unclipped, so beyond [0, 1] where it left the gamut."""
        return self.space.decode(self.lightness, self.preds)

    @cached_property
    def critic_scores(self) -> Tensor:
        """The critic's patch scores of what the network gave, (B, h, w)."""
        if self.critic is None:
            raise RuntimeError("an adversarial term was evaluated without a critic")
        scores: Tensor = self.critic(self.lightness, self.preds)
        return scores


class LossTerm(nn.Module, ABC):
    """A loss: maps a batch to one value for each image, lower is better. Only `compose` reduces over images."""

    @abstractmethod
    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the loss of every image, shape (B,)."""


class CriticLoss(NamedTuple):
    """What a critic is trained on.

    Attributes:
        total: the loss to minimise, a scalar.
        distance: the critic's estimate of how far generated pictures are from true ones, a scalar.
        gradient_norm: mean norm of the critic's gradient where the penalty looks at it, a scalar.
    """

    total: Tensor
    distance: Tensor
    gradient_norm: Tensor


class AdversarialTerm(LossTerm):
    """A loss with an opponent. The training loop owns the critic and its optimizer; this says what each minimises."""

    critic_steps: int = 1

    @abstractmethod
    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        """Return what the critic minimises on `batch`, whose `preds` carry no gradient."""


@dataclass(frozen=True)
class Parameter:
    """A number that a loss can be given, as in `huber(delta=0.1)`."""

    default: float
    low: float
    high: float
    meaning: str
    integer: bool = False


@dataclass(frozen=True)
class LossEntry:
    """What is known of a loss before it is built.

    Attributes:
        name: permanent registry name.
        family: what kind of loss it is.
        formula: the formula in one line; e is prediction minus target, means run over channels and pixels.
        source: where it was published, with the equation where there is one.
        build: keyword parameters -> term.
        parameters: what `build` takes.
        needs: what it can't do without: `critic`, or the name of a network in the weights manifest.
        network: the network whose features it compares; metrics over the same network are no independent judges.
        zero_at_target: whether the loss of a perfect prediction is 0.
    """

    name: str
    family: Family
    formula: str
    source: str
    build: Callable[..., LossTerm]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    network: str | None = None
    zero_at_target: bool = True
