"""The kernel distance between two sets of feature vectors (KID): an unbiased estimate of a squared MMD."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class KernelSums(NamedTuple):
    """Sums of the kernel over pairs of vectors, by the groups of both: each (G, G), and the pairs of one vector, (G,).

    Attributes:
        preds: sums over pairs of predictions.
        target: sums over pairs of true photographs.
        cross: sums over a prediction and a true photograph each.
        preds_same: sums over each prediction with itself.
        target_same: sums over each true photograph with itself.
        n_preds: predictions in each group.
        n_target: true photographs in each group.
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


def kernel_sums(preds: Tensor, target: Tensor, groups: int) -> KernelSums:
    """Return the sums that the distance is made of, where row k belongs to group k mod `groups`.

    Args:
        preds: (N, d), float64.
        target: (M, d), float64.
        groups: number of groups G.
    """
    first, second = _membership(len(preds), groups), _membership(len(target), groups)
    of_preds, of_target = kernel(preds, preds), kernel(target, target)
    return KernelSums(
        first.T @ of_preds @ first,
        second.T @ of_target @ second,
        first.T @ kernel(preds, target) @ second,
        first.T @ of_preds.diagonal(),
        second.T @ of_target.diagonal(),
        first.sum(dim=0),
        second.sum(dim=0),
    )


def squared_mmd(sums: KernelSums, without: int | None = None) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy.

    Bińkowski, Sutherland, Arbel, Gretton: *Demystifying MMD GANs*, ICLR 2018, eq. 4 with the cubic kernel of section
    4: the mean of the kernel over pairs of different predictions, plus that over pairs of different true photographs,
    minus twice that over pairs of both. It is unbiased, so it may be negative; of equal sets it is below 0.

    Args:
        sums: the sums over groups.
        without: a group that is left out; at least two vectors of each kind must be left.
    """
    kept = torch.ones(len(sums.n_preds), dtype=torch.float64)
    if without is not None:
        kept[without] = 0
    n, m = float(kept @ sums.n_preds), float(kept @ sums.n_target)
    among_preds = kept @ sums.preds @ kept - kept @ sums.preds_same
    among_target = kept @ sums.target @ kept - kept @ sums.target_same
    between = kept @ sums.cross @ kept
    return float(among_preds / (n * (n - 1)) + among_target / (m * (m - 1)) - 2 * between / (n * m))


def _membership(count: int, groups: int) -> Tensor:
    """Return which rows belong to which groups, (count, groups) of 0 and 1."""
    return torch.nn.functional.one_hot(torch.arange(count) % groups, groups).double()
