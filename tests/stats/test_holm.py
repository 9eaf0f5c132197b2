from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.stats.holm import holm

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


@given(P_VALUES, st.randoms())
def test_it_does_not_hang_on_the_order(p: list[float], random: random_module.Random) -> None:
    before = dict(zip(p, holm(p), strict=True))
    shuffled = list(p)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, holm(shuffled), strict=True)) == pytest.approx(before)


def test_nothing_and_a_single_test_stay_as_they_are() -> None:
    assert holm([]).tolist() == []
    assert holm([0.04]).tolist() == [0.04]


@pytest.mark.parametrize("p", [[-0.1], [1.1], [math.nan], [[0.1]]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="p values"):
        holm(p)
