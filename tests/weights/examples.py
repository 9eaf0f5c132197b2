"""Weight files made for tests: tensors of the right names and shapes with random values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save

from chromalab.weights.manifest import MANIFEST, TrunkWeights

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.weights.shapes import Shapes

TINY_SHAPES: Shapes = {"tiny.weight": (375, 1000)}
TINY_CLASSIFIER: Shapes = {"top.weight": (3,)}


def trunk_state(name: str, *, seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors of a trunk's names and shapes."""
    return _random(dict(MANIFEST[name].shapes), seed)


def tiny_file() -> bytes:
    """Return a weight file of a megabyte and a half, with a classifier."""
    return save(_random(TINY_SHAPES | TINY_CLASSIFIER, 0))


def tiny_entry(url: str) -> TrunkWeights:
    """Return the manifest's entry of `tiny_file`, as if it were published under `url`."""
    return TrunkWeights(
        name="tiny",
        what="a file for tests",
        url=url,
        sha256=hashlib.sha256(tiny_file()).hexdigest(),
        hash_source="computed",
        license="none",
        trained_on="nothing",
        shapes=TINY_SHAPES,
        classifier=TINY_CLASSIFIER,
    )


def _random(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
