"""What an experiment could have seen."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.stats.intervals import Estimate

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_QUANTILES, _SHARES = (_NODES + 1) / 2, _WEIGHTS / 2


def t_test_power(shift: float, df: float, alpha: float = 0.05) -> float:
    """Return the power of the two-sided t test when the true mean is `shift` standard errors from 0.

    P(|Z + shift| > t* sqrt(X / df)), Z standard normal and X chi-squared on `df` degrees of freedom: the noncentral t
    distribution, as an integral over the quantiles of X by Gauss and Legendre's rule, good to 1e-4 (to 3e-3 at alpha
    .0005 on one degree of freedom). SciPy's own noncentral t returns NaN at some of the few degrees of freedom and
    small alphas that are met here.

    Args:
        shift: true mean in standard errors, any sign.
        df: degrees of freedom, > 0.
        alpha: size of the test.
    """
    return _power(shift, _thresholds(df, alpha))


def detectable_difference(difference: Estimate, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that the test would have found with the given power.

    It takes the estimated standard error for the true one, and the largest over all standard errors of the estimate.

    Args:
        difference: the estimated difference.
        alpha: size of the two-sided test; alpha / m is safe for the m tests of a Holm correction.
        power: the chance of finding it, above `alpha` and below 1.

    Returns:
        A difference >= 0 in the unit of the estimate; 0 where nothing varies.

    Raises:
        ValueError: `power` does not lie between `alpha` and 1.
    """
    if not 0 < alpha < power < 1:
        raise ValueError(f"expected 0 < alpha < power < 1, not alpha {alpha} and power {power}")
    return max(error.value * _shift_for(power, error.df, alpha) for error in difference.errors)


def _thresholds(df: float, alpha: float) -> NDArray[np.float64]:
    """Return t* sqrt(X / df) at the quantiles of X that the rule of integration asks for."""
    critical = special.stdtrit(df, 1 - alpha / 2)
    thresholds: NDArray[np.float64] = critical * np.sqrt(2 * special.gammaincinv(df / 2, _QUANTILES) / df)
    return thresholds


def _power(shift: float, thresholds: NDArray[np.float64]) -> float:
    return float(_SHARES @ (special.ndtr(shift - thresholds) + special.ndtr(-shift - thresholds)))


@lru_cache(maxsize=1024)
def _shift_for(power: float, df: float, alpha: float) -> float:
    """Return the true mean, in standard errors, that is found with this power."""
    thresholds = _thresholds(df, alpha)
    top = float(special.stdtrit(df, 1 - alpha / 2)) + 1.0
    while _power(top, thresholds) < power:
        top *= 2
    return float(optimize.brentq(lambda shift: _power(shift, thresholds) - power, 0.0, top, xtol=1e-6))
