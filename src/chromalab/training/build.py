"""Networks as settings ask for them, with initial weights that depend on the seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.color.spaces import SPACES
from chromalab.core.seeds import derive_seed
from chromalab.nets.critics import PatchCritic
from chromalab.nets.encoders import ENCODERS
from chromalab.nets.unet import Colorizer, UNet

if TYPE_CHECKING:
    from chromalab.training.settings import CriticSettings, NetworkSettings


def build_colorizer(settings: NetworkSettings, color_space: str, seed: int) -> tuple[Colorizer, str]:
    """Return a network with the initial weights of `seed`, and where its encoder's weights come from.

    The weights are the same for every objective; between colour spaces only the head differs, where its shape does.

    Raises:
        UnknownNameError: no such encoder or colour space.
        MissingWeightsError: the encoder's weights are not on this machine.
    """
    space = SPACES[color_space]
    generator = torch.Generator().manual_seed(derive_seed(seed, "network"))
    encoder = ENCODERS[settings.encoder].build(settings.width, settings.pretrained, generator)
    return Colorizer(UNet(encoder, space.channels, generator), space), encoder.start


def build_critic(settings: CriticSettings, color_space: str, seed: int) -> PatchCritic:
    """Return the critic with the initial weights of `seed`."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "critic"))
    return PatchCritic(SPACES[color_space].channels, width=settings.width, generator=generator)
