from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from chromalab.stats.intervals import Estimate, StandardError
from chromalab.stats.power import detectable_difference, t_test_power


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
