"""Holm's correction, equivalence tests and power."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from chromalab.stats.intervals import Estimate, StandardError, t_estimate
from chromalab.stats.significance import (
    detectable_difference,
    equivalence_p,
    equivalence_power,
    holm,
    is_equivalent,
    minimal_effect_p,
    t_test_power,
)

if TYPE_CHECKING:
    import random as random_module

P_VALUES = st.lists(st.floats(0, 1), max_size=6)


def test_the_standard_example() -> None:
    # Four hypotheses with p = .01, .04, .03, .005 at 5%: the fourth and the first are rejected, the others are not
    # (Wikipedia, "Holm-Bonferroni method", example).
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_it_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """A hypothesis falls when every intersection that holds it falls to Bonferroni's test (Marcus et al. 1976)."""
    indices = range(len(p))
    for index, corrected in enumerate(holm(p)):
        sets = [chosen for size in range(1, len(p) + 1) for chosen in combinations(indices, size) if index in chosen]
        expected = max(min(1.0, len(chosen) * min(p[i] for i in chosen)) for chosen in sets)
        assert corrected == pytest.approx(expected)


@pytest.mark.slow
@given(P_VALUES, st.randoms())
def test_it_does_not_hang_on_the_order(p: list[float], random: random_module.Random) -> None:
    before = dict(zip(p, holm(p), strict=True))
    shuffled = list(p)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, holm(shuffled), strict=True)) == pytest.approx(before)


def test_holm_keeps_zero_or_one_test_unchanged() -> None:
    assert holm([]).tolist() == []
    assert holm([0.04]).tolist() == [0.04]


@pytest.mark.parametrize("p", [[-0.1], [1.1], [math.nan], [[0.1]]])
def test_invalid_p_values_are_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="p values"):
        holm(p)


def test_two_one_sided_tests_agree_with_scipy() -> None:
    values, margin = np.random.default_rng(0).normal(0.1, 1.0, 30), 0.5
    above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert equivalence_p(t_estimate(values), margin) == pytest.approx(max(above, below))


@given(st.floats(-2, 2), st.floats(0.01, 2), st.floats(1, 50), st.floats(0.05, 3))
def test_the_interval_and_the_p_value_decide_alike(mean: float, error: float, df: float, margin: float) -> None:
    estimate = Estimate(mean, (StandardError(error, df, "photos"), StandardError(error / 2, 1, "seeds")), 2, 10)
    p = equivalence_p(estimate, margin)
    if abs(p - 0.05) > 1e-9:
        assert is_equivalent(estimate, margin) == (p < 0.05)


def test_finding_no_difference_does_not_show_equivalence() -> None:
    wide, narrow = (Estimate(0.0, (StandardError(error, 30, "photos"),), 1, 31) for error in (1.0, 0.01))
    assert wide.p == narrow.p == 1.0
    assert not is_equivalent(wide, margin=0.5)
    assert is_equivalent(narrow, margin=0.5)


def test_identical_objectives_are_equivalent() -> None:
    assert is_equivalent(t_estimate([0.0, 0.0, 0.0]), margin=0.1)
    assert equivalence_p(t_estimate([0.0, 0.0, 0.0]), margin=0.1) == 0.0


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        is_equivalent(t_estimate([1.0, 2.0]), margin)
    with pytest.raises(ValueError, match="margin"):
        equivalence_p(t_estimate([1.0, 2.0]), margin)


def test_power_of_a_textbook_design() -> None:
    # Cohen (1988), table 2.3: two groups of 64, d = .5, two-sided 5%: power .80 (.8015 to four digits, G*Power).
    assert t_test_power(0.5 * np.sqrt(64 / 2), 126) == pytest.approx(0.8015, abs=2e-4)


@pytest.mark.parametrize("df", [1.5, 2, 4, 30.7, 400])
@pytest.mark.parametrize("shift", [0.0, 1.0, -3.0, 6.0])
def test_power_agrees_with_the_noncentral_t_distribution(df: float, shift: float) -> None:
    critical = stats.t.ppf(0.975, df)
    expected = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
    assert t_test_power(shift, df) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("df", "alpha"), [(2, 0.05), (2, 0.005), (59, 0.05)])
def test_the_detectable_difference_is_found_in_four_of_five_experiments(df: int, alpha: float) -> None:
    rng = np.random.default_rng(0)
    difference = detectable_difference(Estimate(0.0, (StandardError(0.7, df, "seeds"),), df + 1, 1), alpha=alpha)
    values = difference + 0.7 * np.sqrt(df + 1) * rng.normal(size=(40_000, df + 1))
    found = stats.ttest_1samp(values, 0.0, axis=1).pvalue < alpha
    assert found.mean() == pytest.approx(0.8, abs=0.008)


def test_the_largest_error_decides_and_no_variance_hides_nothing() -> None:
    small, large = StandardError(0.1, 100, "photos"), StandardError(1.0, 2, "seeds")
    both = detectable_difference(Estimate(0.0, (small, large), 3, 100))
    assert both == detectable_difference(Estimate(0.0, (large,), 3, 100))
    assert detectable_difference(Estimate(0.0, (StandardError(0.0, 2, "seeds"),), 3, 1)) == 0.0


def test_power_lies_between_alpha_and_one() -> None:
    estimate = Estimate(0.0, (StandardError(1.0, 2, "seeds"),), 3, 1)
    for power in (0.01, 1.0):
        with pytest.raises(ValueError, match="power"):
            detectable_difference(estimate, power=power)


def test_a_minimal_effect_test_has_its_size_at_the_margin() -> None:
    rng = np.random.default_rng(0)
    samples = 1.0 + rng.standard_normal((4000, 8))
    p = np.array([minimal_effect_p(t_estimate(sample), 1.0) for sample in samples])
    # At a true difference of exactly the margin, 4,000 repetitions give a standard error of .0034.
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.012)
    large = t_estimate([4.9, 5.0, 5.1])
    assert minimal_effect_p(large, 1.0) < 0.001
    assert minimal_effect_p(t_estimate([-4.9, -5.0, -5.1]), 1.0) == pytest.approx(minimal_effect_p(large, 1.0))
    assert minimal_effect_p(t_estimate([-1.0, 0.0, 1.0]), 1.0) > 0.2
    with pytest.raises(ValueError, match="margin must be a positive number, not 0"):
        minimal_effect_p(large, 0)


def test_the_power_of_equivalence_under_a_known_variance() -> None:
    """With many degrees of freedom it is 2 Phi(margin - z) - 1 (Chow, Shao and Wang 2008, section 3.2.3)."""
    expected = 2 * stats.norm.cdf(3.0 - stats.norm.ppf(0.95)) - 1
    assert equivalence_power(3.0, 1e6) == pytest.approx(expected, abs=1e-4)
    assert equivalence_power(1.0, 1e6) == 0


def test_the_power_of_equivalence_equals_the_share_of_simulated_tests() -> None:
    generator = np.random.default_rng(0)
    means = generator.normal(size=200_000)
    errors = np.sqrt(generator.chisquare(4, size=200_000) / 4)
    shown = np.abs(means) + stats.t.ppf(0.95, 4) * errors < 4.0
    assert equivalence_power(4.0, 4) == pytest.approx(shown.mean(), abs=5e-3)
