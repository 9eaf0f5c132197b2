"""A test bench for a loss: the built term with everything it needs, and test images."""

from __future__ import annotations

import copy
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from chromalab.color.bins import BIN_COUNT
from chromalab.color.spaces import SPACES, TrainingSpace
from chromalab.core.errors import ConfigError
from chromalab.losses.base import ColorBatch, LossEntry, LossTerm
from chromalab.nets.critics import CRITICS, Critic
from chromalab.nets.trunks import CLASSES
from chromalab.nets.unet import BINS_STRIDE, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SIZE_PX = 64
"""Side of the test images; larger if a loss needs more."""


class BrokenContractError(Exception):
    """The loss breaks the contract of `LossTerm`; the message describes how."""


class Photos(NamedTuple):
    """Images with predictions for their gray versions.

    Attributes:
        rgb: sRGB (B, 3, H, W) in [0, 1].
        prediction: the output of a network.
    """

    rgb: Tensor
    prediction: Prediction

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors with respect to which a loss can be differentiated: the colors, and the logits if present."""
        return [part for part in self.prediction if part is not None]

    def each(self) -> list[Photos]:
        """Return the images one by one."""
        return [self.changed(itemgetter(slice(i, i + 1))) for i in range(len(self.rgb))]

    def double(self) -> Photos:
        """Return the images and predictions in double precision."""
        return self.changed(Tensor.double)

    def changed(self, change: Callable[[Tensor], Tensor]) -> Photos:
        """Return the images and predictions after applying `change` to each tensor."""
        return Photos(change(self.rgb), self.prediction).given([change(part) for part in self.inputs])

    def given(self, inputs: Sequence[Tensor]) -> Photos:
        """Return the images with other predictions, one tensor for each of `inputs`."""
        left = iter(inputs)
        _, bins, classes = self.prediction
        return Photos(
            self.rgb,
            Prediction(next(left), None if bins is None else next(left), None if classes is None else next(left)),
        )


class Bench:
    """A built loss that can be evaluated and differentiated on test images.

    Args:
        entry: the loss, registered or not.
        parameters: parameters of `entry.build`; None takes the defaults.
        space: registry name of the training space.
        critic: critic for an adversarial loss; None takes a small one with random weights.

    Raises:
        UnknownNameError: unknown training space.
        ConfigError: the loss is over the ab bins, and the space is not `lab`.
        BrokenContractError: the built object is not a `LossTerm`.
        MissingWeightsError: the loss needs a network that is not installed.
    """

    def __init__(
        self,
        entry: LossEntry,
        parameters: Mapping[str, float | str] | None = None,
        space: str = "lab",
        critic: nn.Module | None = None,
    ) -> None:
        self.entry = entry
        self.parameters = dict(parameters or {})
        self.space: TrainingSpace = SPACES[space]
        if self.needs("bins") and self.space.name != "lab":
            raise ConfigError(f"{entry.name} is over the ab bins, which are bins of CIELAB; use the space lab")
        self.term = self._build()
        self.critic = small_critic(self.space) if critic is None and self.needs("critic") else critic

    def _build(self) -> LossTerm:
        term: object = self.entry.build(**self.parameters)
        if not isinstance(term, LossTerm):
            raise BrokenContractError(f"build returned a {type(term).__name__} instead of a LossTerm")
        if self.needs("prior"):
            term.use_prior(np.random.default_rng(0).dirichlet(np.ones(BIN_COUNT)))
        return term

    def needs(self, what: str) -> bool:
        """Return whether the loss needs `what`, see `LossEntry`."""
        return what in self.entry.needs

    @cached_property
    def exact(self) -> Bench:
        """The same loss in double precision, built anew because a term may hold objects that cannot be copied."""
        critic = None if self.critic is None else copy.deepcopy(self.critic).double()
        bench = Bench(self.entry, self.parameters, self.space.name, critic)
        bench.term.double()
        return bench

    def photos(self, count: int = 2, size_px: int = SIZE_PX) -> Photos:
        """Return images of smooth random colors, and predictions with half of their chroma."""
        size_px = max(size_px, self.term.smallest_px)
        coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        rgb = nn.functional.interpolate(coarse, size=(size_px, size_px), mode="bicubic").clamp(0, 1)
        lightness, target = self.space.encode(rgb)
        return self.guess(rgb, torch.lerp(self.space.grey(lightness), target, 0.5))

    def flat(self, level: float) -> Tensor:
        """Return a uniform gray image as sRGB, (1, 3, H, W)."""
        size_px = max(SIZE_PX, self.term.smallest_px)
        return torch.full((1, 3, size_px, size_px), level)

    def guess(self, rgb: Tensor, color: Tensor) -> Photos:
        """Return images with predictions of these colors, and with random logits if the loss needs them."""
        generator = torch.Generator().manual_seed(1)
        count, height, width = len(rgb), -(-rgb.shape[2] // BINS_STRIDE), -(-rgb.shape[3] // BINS_STRIDE)
        bins = torch.randn(count, BIN_COUNT, height, width, generator=generator) if self.needs("bins") else None
        classes = torch.randn(count, CLASSES, generator=generator) if self.needs("classes") else None
        return Photos(rgb, Prediction(color, bins, classes))

    def batch(self, photos: Photos) -> ColorBatch:
        """Return the batch in the form in which the training loop passes it to the loss."""
        lightness, target = self.space.encode(photos.rgb)
        color, bins, classes = photos.prediction
        return ColorBatch(self.space, lightness, color, target, photos.rgb, self.critic, bins, classes)

    def values(self, photos: Photos) -> Tensor:
        """Return the loss of every image, (B,)."""
        values: object = self.term(self.batch(photos))
        if not isinstance(values, Tensor):
            raise BrokenContractError(f"the loss returned a {type(values).__name__} instead of a tensor")
        return values

    def gradients(self, photos: Photos) -> list[Tensor]:
        """Return the gradients of the summed loss with respect to every part of the prediction.

        Raises:
            BrokenContractError: the loss does not depend on the prediction.
        """
        free = photos.given([part.detach().requires_grad_() for part in photos.inputs])
        values = self.values(free)
        if not values.requires_grad:
            raise BrokenContractError("the loss does not depend on the prediction: was it detached?")
        found = torch.autograd.grad(values.sum(), free.inputs, allow_unused=True)
        return [torch.zeros_like(part) if one is None else one for one, part in zip(found, free.inputs, strict=True)]


def small_critic(space: TrainingSpace, width: float = 0.125) -> Critic:
    """Return ChromaGAN's critic with an eighth of its channels and reproducible random weights."""
    network = CRITICS["chromagan"].build(1 + space.channels, width, torch.Generator().manual_seed(0))
    return Critic(space, network)
