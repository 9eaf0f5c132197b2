"""Holm's step-down correction for several tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values that are corrected for the number of tests, in the order given.

    Holm (1979), "A simple sequentially rejective multiple test procedure": the k-th smallest of m p values is
    multiplied by m - k + 1, never falls below a smaller one's, and stays at most 1. Rejecting what is at most alpha
    keeps the chance of any false rejection at alpha, however the tests depend on each other.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]

    Args:
        p_values: numbers in 0..1, shape (m,); m may be 0.

    Raises:
        ValueError: a value outside 0..1, or not a number.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values are a list of numbers between 0 and 1, not {p_values!r}")
    order = np.argsort(p, kind="stable")
    stepped = p[order] * np.arange(p.size, 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected
