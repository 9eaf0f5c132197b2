"""Rates and sensitivity: published numbers, closed forms, SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from chromalab.stats.detection import clopper_pearson, two_alternatives, wilson, yes_no


@pytest.mark.parametrize(("hits", "n"), [(465, 1440), (0, 12), (12, 12), (1, 3)])
def test_intervals_of_rates_are_scipys(hits: int, n: int) -> None:
    theirs = scipy.stats.binomtest(hits, n)
    for ours, method in ((wilson(hits, n), "wilson"), (clopper_pearson(hits, n), "exact")):
        interval = theirs.proportion_ci(method=method)
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_wrong_counts() -> None:
    with pytest.raises(ValueError, match="5 of 3"):
        wilson(5, 3)


def test_yes_no() -> None:
    """Macmillan and Creelman (2005), example 1: H = .8, F = .4 have d' = 1.095 and c = -.294 without correction."""
    found = yes_no(800_000, 1_000_000, 400_000, 1_000_000)
    assert float(found.d_prime) == pytest.approx(1.095, abs=1e-3)
    assert float(found.criterion) == pytest.approx(-0.294, abs=1e-3)


def test_the_log_linear_correction_keeps_d_prime_finite() -> None:
    found = yes_no(10, 10, 0, 10)
    expected = scipy.stats.norm.ppf(10.5 / 11) - scipy.stats.norm.ppf(0.5 / 11)
    assert float(found.d_prime) == pytest.approx(expected)


def test_two_alternatives_without_bias() -> None:
    """An unbiased observer's share of right answers is Phi(d' / sqrt 2)."""
    p = scipy.stats.norm.cdf(1.2 / math.sqrt(2))
    found = two_alternatives(p * 1e6, 1e6, (1 - p) * 1e6, 1e6)
    assert float(found.d_prime) == pytest.approx(1.2, abs=1e-4)
    assert float(found.criterion) == pytest.approx(0, abs=1e-4)


def test_standard_errors_equal_the_spread_of_repetitions() -> None:
    generator = np.random.default_rng(0)
    hits, alarms = generator.binomial(200, 0.75, 4000), generator.binomial(200, 0.35, 4000)
    found = yes_no(hits, 200, alarms, 200)
    assert found.d_prime.std() == pytest.approx(float(found.d_prime_se.mean()), rel=0.05)
    assert found.criterion.std() == pytest.approx(float(found.criterion_se.mean()), rel=0.05)
