"""Weights that come with an installed package, read without importing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.core.hashing import sha256_file
from chromalab.weights.errors import DamagedWeightsError
from chromalab.weights.manifest import MANIFEST, PackagedWeights
from chromalab.weights.places import packaged_path

if TYPE_CHECKING:
    from torch import Tensor


def load_packaged(name: str) -> dict[str, Tensor]:
    """Return the state dict of the packaged weights `name`, on the CPU, after checking the file's SHA-256.

    Raises:
        MissingWeightsError: the package is not installed.
        DamagedWeightsError: the file is not the published one.
    """
    entry = MANIFEST[name]
    if not isinstance(entry, PackagedWeights):
        raise TypeError(f"the weights '{name}' come with no package")
    path = packaged_path(entry)
    if (found := sha256_file(path)) != entry.sha256:
        raise DamagedWeightsError(
            f"{path} has SHA-256 {found}, and {entry.sha256} was expected: install the package {entry.package} again"
        )
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {key: tensor.detach() for key, tensor in state.items()}
