"""Distances between sets of images: Fréchet distance (FID), kernel distance (KID), and color consistency (CDC).

The Fréchet distance models each set of feature vectors as a Gaussian. Dowson and Landau: *The Fréchet distance between
multivariate normal distributions*, J. Multivariate Analysis 12, 1982:

    d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

Heusel et al. 2017 applied it to Inception features as the "FID". As in their code, the functions return d^2, from
unbiased covariances. All computations are in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """The number of vectors in a set, their sum and the sum of their outer products, which can be added and subtracted.

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
        """The unbiased covariance of at least two vectors, (D, D)."""
        return (self.outer - np.outer(self.total, self.mean)) / (self.n - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return the squared Fréchet distance between the Gaussians with these moments.

    The expectation of the result decreases as the sets grow (its bias is of order 1 / n), so distances are comparable
    only at equal n. Singular covariances, from sets with fewer vectors than dimensions, are handled.

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
        raise ValueError(f"the sets must have equally many features, not {len(first.total)} and {len(second.total)}")
    covariance_1, covariance_2 = first.covariance, second.covariance
    shift = np.square(first.mean - second.mean).sum()
    spread = np.trace(covariance_1) + np.trace(covariance_2) - 2 * trace_sqrt_product(covariance_1, covariance_2)
    return float(max(shift + spread, 0.0))  # rounding can make the distance of equal sets -1e-13


def trace_sqrt_product(covariance_1: NDArray[np.float64], covariance_2: NDArray[np.float64]) -> float:
    """Return tr (C1 C2)^(1/2) of two positive semidefinite matrices.

    With any factors C = F F^T, it is the sum of the singular values of F1^T F2. Unlike the square root of a product,
    this form keeps full precision for singular matrices and cannot become complex.
    """
    product = _factor(covariance_1).T @ _factor(covariance_2)
    return float(torch.linalg.svdvals(product).sum())


def _factor(covariance: NDArray[np.float64]) -> Tensor:
    """Return F with F F^T = C, (D, rank); eigenvalues at the level of rounding noise count as 0.

    Their roots would not be small. The decomposition uses PyTorch instead of NumPy because its threads can be limited
    (`one_torch_thread`).
    """
    eigenvalues, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
    noise = eigenvalues[-1] * len(eigenvalues) * torch.finfo(torch.float64).eps
    kept = eigenvalues > noise
    factor: Tensor = vectors[:, kept] * eigenvalues[kept].sqrt()
    return factor


class KernelSums(NamedTuple):
    """Sums of the kernel over pairs of vectors, by the G groups of both vectors.

    Attributes:
        preds: sums over pairs of predictions, (G, G).
        target: sums over pairs of true photos, (G, G).
        cross: sums over pairs of a prediction and a true photo, (G, G).
        preds_same: sums over pairs of each prediction with itself, (G,).
        target_same: sums over pairs of each true photo with itself, (G,).
        n_preds: number of predictions in each group, (G,).
        n_target: number of true photos in each group, (G,).
    """

    preds: Tensor
    target: Tensor
    cross: Tensor
    preds_same: Tensor
    target_same: Tensor
    n_preds: Tensor
    n_target: Tensor


def kernel(first: Tensor, second: Tensor) -> Tensor:
    """Return (x . y / d + 1)^3 of all pairs of rows of (N, d) and (M, d), (N, M)."""
    return (first @ second.T / first.shape[1] + 1) ** 3


KERNEL_ROWS = 1024
"""Number of rows in a chunk: at most the kernel of two chunks is in memory."""


class RowSource(Protocol):
    """Rows of features, (N, d), float64: a tensor, or rows that are read when they are sliced."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, rows: slice, /) -> Tensor:
        """Return the rows of a slice."""


def kernel_sums(preds: RowSource, target: RowSource, groups: int) -> KernelSums:
    """Return the sums for `squared_mmd`, where row k belongs to group k mod `groups`.

    The rows are read in chunks, so the memory does not grow with their number, unlike the time.

    Args:
        preds: (N, d), float64.
        target: (M, d), float64.
        groups: number of groups G.
    """
    of_preds, preds_same = _pair_sums(preds, preds, groups)
    of_target, target_same = _pair_sums(target, target, groups)
    return KernelSums(
        of_preds,
        of_target,
        _pair_sums(preds, target, groups)[0],
        preds_same,
        target_same,
        _membership(0, len(preds), groups).sum(dim=0),
        _membership(0, len(target), groups).sum(dim=0),
    )


def _pair_sums(first: RowSource, second: RowSource, groups: int) -> tuple[Tensor, Tensor]:
    """Return the sums of the kernel over all pairs, (G, G), and in one set those of rows with themselves, (G,)."""
    pairs = torch.zeros(groups, groups, dtype=torch.float64)
    same = torch.zeros(groups, dtype=torch.float64)
    for start in range(0, len(first), KERNEL_ROWS):
        rows = first[start : start + KERNEL_ROWS]
        members = _membership(start, len(rows), groups)
        for other in range(0, len(second), KERNEL_ROWS):
            values = kernel(rows, second[other : other + KERNEL_ROWS])
            pairs += members.T @ values @ _membership(other, values.shape[1], groups)
            if other == start and first is second:
                same += members.T @ values.diagonal()
    return pairs, same


def squared_mmd(sums: KernelSums, without: int | None = None) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy.

    Bińkowski, Sutherland, Arbel, Gretton: *Demystifying MMD GANs*, ICLR 2018, eq. 4 with the cubic kernel of section
    4: the mean of the kernel over pairs of different predictions, plus that over pairs of different true photos, minus
    twice that over pairs of both. Being unbiased, it can be negative; it is below 0 for equal sets.

    Args:
        sums: the sums over groups.
        without: group to leave out; at least two vectors of each set must remain.
    """
    kept = torch.ones(len(sums.n_preds), dtype=torch.float64)
    if without is not None:
        kept[without] = 0
    n, m = float(kept @ sums.n_preds), float(kept @ sums.n_target)
    among_preds = kept @ sums.preds @ kept - kept @ sums.preds_same
    among_target = kept @ sums.target @ kept - kept @ sums.target_same
    between = kept @ sums.cross @ kept
    return float(among_preds / (n * (n - 1)) + among_target / (m * (m - 1)) - 2 * between / (n * m))


def _membership(start: int, count: int, groups: int) -> Tensor:
    """Return the membership of `count` rows from row `start` on in groups, (count, groups) of 0 and 1."""
    return torch.nn.functional.one_hot(torch.arange(start, start + count) % groups, groups).double()


LEVELS = 256
CHANNELS = 3
STEPS = (1, 2, 4)
"""Distances in frames between the two that are compared."""


def js_divergence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jensen-Shannon divergence of distributions along the last axis, in nats, from 0 to log 2.

    Args:
        first: (..., K), summing to 1.
        second: the same shape.
    """
    middle = (first + second) / 2
    return (_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    total: NDArray[np.float64] = (p * np.log(ratio)).sum(axis=-1)
    return total


def color_distribution_consistency(histograms: NDArray[np.float64]) -> float:
    """Return the CDC index of the frames of a video; lower is steadier.

    Liu et al.: *Temporally Consistent Video Colorization with Deep Feature Propagation and Self-Regularization
    Learning* (TCVC), 2021: the Jensen-Shannon divergence of the histograms of R, G and B between frames i and i + t,
    averaged over frames and channels, then over t = 1, 2 and 4. Logarithms are natural, as in the published code.

    Args:
        histograms: (frames, 3, 256), each summing to 1 over the last axis; at least 5 frames.

    Raises:
        ValueError: there are too few frames.
    """
    if len(histograms) <= max(STEPS):
        raise ValueError(f"CDC needs at least {max(STEPS) + 1} frames, not {len(histograms)}")
    return float(np.mean([js_divergence(histograms[:-step], histograms[step:]).mean() for step in STEPS]))
