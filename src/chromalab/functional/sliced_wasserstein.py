"""The sliced Wasserstein distance between two equally large sets of vectors.

Bonneel, Rabin, Peyré, Pfister: *Sliced and Radon Wasserstein Barycenters of Measures*, Journal of Mathematical Imaging
and Vision 51, 2015: the mean over directions of the Wasserstein distance between the projections of both sets. In one
dimension, sorting both sets gives the optimal transport.
"""

from __future__ import annotations

import torch
from torch import Tensor


def random_directions(count: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """Return independent uniform directions.

    Args:
        count: number of directions K.
        dimensions: number of dimensions D.
        generator: source of the random numbers, on the CPU.

    Returns:
        Unit vectors (K, D) in double precision.
    """
    normal = torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
    unit: Tensor = normal / torch.linalg.vector_norm(normal, dim=1, keepdim=True)
    return unit


def sliced_wasserstein(preds: Tensor, target: Tensor, directions: Tensor, power: int = 2) -> Tensor:
    """Return the mean over directions of W_p^p between the projections of two sets of vectors.

    The distance SW_p itself is its p-th root.

    Args:
        preds: N vectors per image, (B, D, N).
        target: as many vectors, (B, D, N).
        directions: unit vectors, (K, D).
        power: the exponent p, 1 or 2.

    Returns:
        (B,), at least 0; 0 if both sets have the same projections. The order of the vectors does not matter.

    Raises:
        ValueError: the sets differ in shape, or the power is neither 1 nor 2.
    """
    if preds.shape != target.shape:
        raise ValueError(f"preds and target must have one shape, not {tuple(preds.shape)} and {tuple(target.shape)}")
    if power not in {1, 2}:
        raise ValueError(f"power must be 1 or 2, not {power}")
    directions = directions.to(preds)
    first, second = (torch.sort(directions @ vectors, dim=-1).values for vectors in (preds, target))
    gaps = first - second
    return (gaps.square() if power == 2 else gaps.abs()).mean(dim=(1, 2))
