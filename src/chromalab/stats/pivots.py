"""Intervals and tests of estimates from clustered votes, from a few near-unanimous votes to large studies.

Every estimate is a pivot: a function of a hypothetical true value that gives the evidence against it. Intervals,
p-values and equivalence tests follow from this one function, so they never contradict each other. Student's t is enough
where many votes disagree. Where nearly all votes agree, the bootstrap's variance is close to 0, and t intervals shrink
to a point or leave the possible range. Rates and ratings then take Wilson's interval for an effective number of votes,
log-abilities the profile of the likelihood, divided by a design effect.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from scipy import optimize, special

from chromalab.stats.clusters import quantile
from chromalab.stats.detection import wilson_bounds

FEW = 10
"""Votes against a result below which the bootstrap's variance is not trusted."""
_CLOSEST = 1e-12


def upper_tail(t: float, df: float) -> float:
    """Return P(T >= t) for Student's t, or for the normal distribution with infinite degrees of freedom."""
    return float(special.ndtr(-t) if math.isinf(df) else special.stdtr(df, -t))


class Pivot(ABC):
    """An estimate with the evidence against every hypothetical true value.

    Attributes:
        value: the estimate.
        se: its standard error.
    """

    value: float
    se: float

    @abstractmethod
    def bounds(self, level: float) -> tuple[float, float]:
        """Return the ends of the interval."""

    @abstractmethod
    def exceeds_p(self, x: float) -> float:
        """Return the one-sided p-value of the hypothesis that the true value is at most `x`."""

    def p_value(self) -> float:
        """Return the two-sided p-value of the hypothesis that the true value is 0."""
        above = self.exceeds_p(0.0)
        return min(1.0, 2 * min(above, 1 - above))

    def equivalence_p(self, margin: float) -> float:
        """Return the p-value of two one-sided tests (Schuirmann 1987) that the value lies within -margin..margin."""
        return max(self.exceeds_p(-margin), 1 - self.exceeds_p(margin))


@dataclass(frozen=True)
class StudentT(Pivot):
    """An estimate with a standard error; with a standard error of 0, nothing is significant.

    Attributes:
        value: the estimate.
        se: its standard error.
        df: degrees of freedom.
    """

    value: float
    se: float
    df: float

    def bounds(self, level: float) -> tuple[float, float]:
        """Return value -+ t se."""
        half = quantile(self.df, level) * self.se
        return self.value - half, self.value + half

    def exceeds_p(self, x: float) -> float:
        """Return P(T >= (value - x) / se)."""
        return 0.5 if self.se == 0 else upper_tail((self.value - x) / self.se, self.df)


@dataclass(frozen=True)
class BoundedMean(Pivot):
    """A mean of values between two limits, with Wilson's interval for an effective number of votes.

    Wilson's score interval (1927) with Student's quantile and the effective sample size of Korn and Graubard (1998),
    "Confidence intervals for proportions with small expected number of positive counts estimated from survey data". It
    never leaves the limits and has a positive width at both of them.

    Attributes:
        value: the mean.
        n: effective number of votes, as many independent votes of the two extremes as have the same variance.
        df: degrees of freedom.
        low: lower limit of a vote.
        high: upper limit of a vote.
    """

    value: float
    n: float
    df: float
    low: float = 0.0
    high: float = 1.0

    @property
    def se(self) -> float:  # type: ignore[override]
        """Standard error; at a limit, half the width of the interval at one standard error."""
        share = (self.value - self.low) / (self.high - self.low)
        if 0 < share < 1:
            return (self.high - self.low) * math.sqrt(share * (1 - share) / self.n)
        low, high = self._wilson(1.0)
        return (high - low) / 2

    def bounds(self, level: float) -> tuple[float, float]:
        """Return Wilson's interval, which lies within the limits."""
        return self._wilson(quantile(self.df, level))

    def _wilson(self, t: float) -> tuple[float, float]:
        span = self.high - self.low
        low, high = wilson_bounds((self.value - self.low) / span, t * t / self.n)
        return self.low + span * low, self.low + span * high

    def exceeds_p(self, x: float) -> float:
        """Return the p-value of the score test, whose standard error is that at `x`."""
        if not self.low < x < self.high:
            return 0.0 if x <= self.low else 1.0
        span = self.high - self.low
        share, guess = (self.value - self.low) / span, (x - self.low) / span
        return upper_tail((share - guess) * math.sqrt(self.n / (guess * (1 - guess))), self.df)


@dataclass(frozen=True)
class MeanDifference(Pivot):
    """The difference of two bounded means, with an interval from their own intervals.

    Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach", equation 4.
    Without correlation this is Newcombe's hybrid score interval (1998, method 10).

    Attributes:
        first: the mean from which the other is subtracted.
        second: the other mean.
        correlation: correlation of the two estimates, which share participants or photos.
    """

    first: BoundedMean
    second: BoundedMean
    correlation: float = 0.0

    @property
    def value(self) -> float:  # type: ignore[override]
        """The difference."""
        return self.first.value - self.second.value

    @property
    def se(self) -> float:  # type: ignore[override]
        """Standard error."""
        return self._distance(self.first.se, self.second.se)

    def bounds(self, level: float) -> tuple[float, float]:
        """Return the limits recovered from the variances at the ends of both intervals."""
        (low1, high1), (low2, high2) = self.first.bounds(level), self.second.bounds(level)
        below = self._distance(self.first.value - low1, high2 - self.second.value)
        above = self._distance(high1 - self.first.value, self.second.value - low2)
        limit = self.first.high - self.first.low
        return max(-limit, self.value - below), min(limit, self.value + above)

    def _distance(self, first: float, second: float) -> float:
        return math.sqrt(max(0.0, first**2 + second**2 - 2 * self.correlation * first * second))

    def exceeds_p(self, x: float) -> float:
        """Return half of one minus the level of the interval that ends at `x`."""
        side = 0 if x < self.value else 1

        def gap(tail: float) -> float:
            return self.bounds(1 - 2 * tail)[side] - x

        if (gap(_CLOSEST) > 0) == (side == 0):
            tail = 0.0  # even the widest interval excludes x
        elif (gap(0.5 - _CLOSEST) > 0) != (side == 0):
            tail = 0.5
        else:
            tail = float(optimize.brentq(gap, _CLOSEST, 0.5 - _CLOSEST, xtol=1e-14))
        return tail if side == 0 else 1 - tail
