"""Weight files made for tests: tensors of the right names and shapes with random values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.weights.manifest import MANIFEST

if TYPE_CHECKING:
    from torch import Tensor


def trunk_state(name: str, *, seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors of a trunk's names and shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) for key, shape in MANIFEST[name].shapes.items()}
