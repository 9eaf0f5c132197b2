"""The Fréchet distance between two sets of feature vectors, each taken as a Gaussian, from sums alone.

Dowson and Landau: *The Fréchet distance between multivariate normal distributions*, J. Multivariate Analysis 12, 1982:

    d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

Heusel et al. 2017 took it on Inception's features as the "FID"; like theirs, the distance here is d^2 and its
covariances are the unbiased ones. Everything is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """How many vectors a set has, their sum, and the sum of their outer products: they add up and subtract.

    Attributes:
        n: number of vectors.
        total: sum of the vectors, (D,).
        outer: sum of x x^T, (D, D).
    """

    n: int
    total: NDArray[np.float64]
    outer: NDArray[np.float64]

    @classmethod
    def zero(cls, dimensions: int) -> Self:
        """Return the moments of the empty set."""
        return cls(0, np.zeros(dimensions), np.zeros((dimensions, dimensions)))

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> Self:
        """Return the moments of the rows of `features`, (N, D)."""
        return cls(len(features), features.sum(axis=0), features.T @ features)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.outer + other.outer)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.n - other.n, self.total - other.total, self.outer - other.outer)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean vector, (D,)."""
        return self.total / self.n

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The unbiased covariance, (D, D); it needs at least two vectors."""
        return (self.outer - np.outer(self.total, self.mean)) / (self.n - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return the squared Fréchet distance between the Gaussians with these moments.

    The expectation of the result falls as the sets grow (its bias is of order 1 / n), so distances are compared at
    equal n only. Sets with fewer vectors than dimensions have singular covariances, which is no trouble here.

    Args:
        first: moments of at least two vectors.
        second: moments of at least two vectors of the same dimension.

    Returns:
        d^2 >= 0 in squared units of the features; 0 for equal sets.

    Raises:
        ValueError: a set has fewer than two vectors, or the dimensions differ.
    """
    if min(first.n, second.n) < 2:
        raise ValueError(f"a covariance needs at least two vectors, not {min(first.n, second.n)}")
    if first.total.shape != second.total.shape:
        raise ValueError(f"the sets have {len(first.total)} and {len(second.total)} features")
    covariance_1, covariance_2 = first.covariance, second.covariance
    shift = np.square(first.mean - second.mean).sum()
    spread = np.trace(covariance_1) + np.trace(covariance_2) - 2 * trace_sqrt_product(covariance_1, covariance_2)
    return float(max(shift + spread, 0.0))  # rounding can make the distance of equal sets -1e-13


def trace_sqrt_product(covariance_1: NDArray[np.float64], covariance_2: NDArray[np.float64]) -> float:
    """Return tr (C1 C2)^(1/2) of two positive semidefinite matrices.

    With any factors C = F F^T it is the sum of the singular values of F1^T F2. Unlike the square root of a product,
    this keeps all digits where the matrices are singular, and nothing in it can become complex.
    """
    product = _factor(covariance_1).T @ _factor(covariance_2)
    return float(torch.linalg.svdvals(product).sum())


def _factor(covariance: NDArray[np.float64]) -> Tensor:
    """Return F with F F^T = C; eigenvalues that are rounding noise count as 0, for their roots would not be small.

    PyTorch decomposes, not NumPy, because its threads can be chosen (`one_torch_thread`).
    """
    eigenvalues, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
    noise = eigenvalues[-1] * len(eigenvalues) * torch.finfo(torch.float64).eps
    factor: Tensor = vectors * torch.where(eigenvalues > noise, eigenvalues, 0.0).sqrt()
    return factor
