"""Multiple tests (Holm), equivalence tests (TOST), and the power of t tests."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from chromalab.stats.intervals import Estimate


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values corrected for the number of tests by Holm's procedure, in the order given.

    Holm (1979), "A simple sequentially rejective multiple test procedure": the k-th smallest of m p values is
    multiplied by m - k + 1, is at least the corrected value of any smaller p value, and is at most 1. Rejecting all
    corrected values of at most alpha limits the chance of any false rejection to alpha, for any dependence between the
    tests.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]

    Args:
        p_values: numbers in 0..1, shape (m,); m may be 0.

    Raises:
        ValueError: a value lies outside 0..1 or is NaN.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values must be a list of numbers between 0 and 1, not {p_values!r}")
    order = np.argsort(p, kind="stable")
    stepped = p[order] * np.arange(p.size, 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def equivalence_p(difference: Estimate, margin: float) -> float:
    """Return the p value of the two one-sided tests (TOST) that the difference lies within -margin..margin.

    Schuirmann (1987), "A comparison of the two one-sided tests procedure and the power approach": the larger of the two
    p values. If the estimate has several standard errors, the largest p value of all is returned.

    Args:
        difference: the estimated difference.
        margin: the largest difference without practical meaning, > 0, in the same unit.

    Raises:
        ValueError: `margin` is not positive.
    """
    _check_margin(margin)
    return max(error.p_above(margin - abs(difference.mean)) for error in difference.errors)


def minimal_effect_p(difference: Estimate, margin: float) -> float:
    """Return the p value of the test that the difference is at most `margin` in size.

    Murphy & Myors (1999), "Testing the hypothesis that treatments have negligible effects": a small value shows that
    the difference matters, which a small p value of "no difference" does not. It is the chance, at a true difference
    of exactly `margin`, of a difference at least as large on either side, and the largest over all standard errors.

    Args:
        difference: the estimated difference.
        margin: the largest difference that would not matter, > 0, in the same unit.

    Raises:
        ValueError: `margin` is not positive.
    """
    _check_margin(margin)
    size = abs(difference.mean)
    return min(1.0, max(error.p_above(size - margin) + error.p_above(size + margin) for error in difference.errors))


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"an equivalence margin must be a positive number, not {margin}")


def is_equivalent(difference: Estimate, margin: float, *, alpha: float = 0.05) -> bool:
    """Return whether the difference lies within -margin..margin, by two one-sided tests at `alpha`.

    Equivalently, the 1 - 2 alpha interval (the 90% interval by default) lies within -margin..margin.

    Raises:
        ValueError: `margin` is not positive.
    """
    return equivalence_p(difference, margin) < alpha


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_QUANTILES, _SHARES = (_NODES + 1) / 2, _WEIGHTS / 2


def t_test_power(shift: float, df: float, alpha: float = 0.05) -> float:
    """Return the power of the two-sided t test if the true mean is `shift` standard errors from 0.

    The power is P(|Z + shift| > t* sqrt(X / df)), with Z standard normal and X chi-squared on `df` degrees of freedom
    (the noncentral t distribution). It is integrated over the quantiles of X by the Gauss-Legendre rule, with an error
    below 1e-4 (3e-3 at alpha .0005 on one degree of freedom). SciPy's noncentral t returns NaN for some combinations of
    few degrees of freedom and small alphas.

    Args:
        shift: true mean in standard errors, any sign.
        df: degrees of freedom, > 0.
        alpha: size of the test.
    """
    return _power(shift, _thresholds(df, alpha))


def equivalence_power(margin: float, df: float, alpha: float = 0.05) -> float:
    """Return the power of two one-sided t tests (TOST) if the true difference is 0.

    The power is P(|Z| + t* sqrt(X / df) < margin), with Z standard normal and X chi-squared on `df` degrees of freedom.

    Args:
        margin: the equivalence margin in standard errors, > 0.
        df: degrees of freedom, > 0.
        alpha: size of each test.
    """
    room = margin - _thresholds(df, 2 * alpha)
    return float(_SHARES @ np.maximum(2 * special.ndtr(room) - 1, 0.0))


def detectable_difference(difference: Estimate, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that the test would have found with the given power.

    The estimated standard error is taken as the true one. If the estimate has several, the largest result is returned.

    Args:
        difference: the estimated difference.
        alpha: size of the two-sided test; alpha / m is conservative for the m tests of a Holm correction.
        power: probability of finding the difference, above `alpha` and below 1.

    Returns:
        A difference >= 0 in the unit of the estimate; 0 if all standard errors are 0.

    Raises:
        ValueError: `power` does not lie between `alpha` and 1.
    """
    if not 0 < alpha < power < 1:
        raise ValueError(f"expected 0 < alpha < power < 1, not alpha {alpha} and power {power}")
    return max(error.value * _shift_for(power, error.df, alpha) for error in difference.errors)


def _thresholds(df: float, alpha: float) -> NDArray[np.float64]:
    """Return t* sqrt(X / df) at the quantiles of X that the integration rule needs."""
    critical = special.stdtrit(df, 1 - alpha / 2)
    thresholds: NDArray[np.float64] = critical * np.sqrt(2 * special.gammaincinv(df / 2, _QUANTILES) / df)
    return thresholds


def _power(shift: float, thresholds: NDArray[np.float64]) -> float:
    return float(_SHARES @ (special.ndtr(shift - thresholds) + special.ndtr(-shift - thresholds)))


@lru_cache(maxsize=1024)
def _shift_for(power: float, df: float, alpha: float) -> float:
    """Return the true mean, in standard errors, that the test finds with this power."""
    thresholds = _thresholds(df, alpha)
    top = float(special.stdtrit(df, 1 - alpha / 2)) + 1.0
    while _power(top, thresholds) < power:
        top *= 2
    return float(optimize.brentq(lambda shift: _power(shift, thresholds) - power, 0.0, top, xtol=1e-6))
