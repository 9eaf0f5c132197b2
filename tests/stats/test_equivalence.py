from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from chromalab.stats.equivalence import equivalence_p, is_equivalent
from chromalab.stats.intervals import Estimate, StandardError, t_estimate


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
