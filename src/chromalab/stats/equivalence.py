"""Showing that a difference is too small to matter, which a test that finds nothing does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chromalab.stats.intervals import Estimate


def equivalence_p(difference: Estimate, margin: float) -> float:
    """Return the p value of two one-sided tests that the difference lies within -margin..margin.

    Schuirmann (1987), "A comparison of the two one-sided tests procedure and the power approach": the larger p value
    of the two, and here the largest over all standard errors of the estimate.

    Args:
        difference: the estimated difference.
        margin: the largest difference that would not matter, > 0, in the same unit.

    Raises:
        ValueError: `margin` is not positive.
    """
    if not margin > 0:
        raise ValueError(f"an equivalence margin is a positive number, not {margin}")
    return max(error.p_above(margin - abs(difference.mean)) for error in difference.errors)


def is_equivalent(difference: Estimate, margin: float, *, alpha: float = 0.05) -> bool:
    """Return whether the 1 - 2 alpha interval (the 90% one) of the difference lies within -margin..margin.

    The same decision as `equivalence_p(difference, margin) < alpha`.

    Raises:
        ValueError: `margin` is not positive.
    """
    if not margin > 0:
        raise ValueError(f"an equivalence margin is a positive number, not {margin}")
    interval = difference.interval(1 - 2 * alpha)
    return -margin < interval.low and interval.high < margin
