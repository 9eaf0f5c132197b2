"""Shares and cosines of terms whose gradients are known."""

from __future__ import annotations

import math

import pytest
import torch

from chromalab.core.errors import NonFiniteError
from chromalab.training.diagnostics import check_finite, gradient_facts, term_gradients


def test_gradients_of_all_outputs_stand_in_one_vector() -> None:
    color = torch.tensor([[1.0, 2.0]], requires_grad=True)
    logits = torch.tensor([[3.0]], requires_grad=True)
    values = {"both": (color.sum() + 5 * logits.sum()).reshape(1), "color": color.square().sum().reshape(1)}
    gradients = term_gradients(values, [color, logits])
    assert gradients["both"].tolist() == [1, 1, 5]
    assert gradients["color"].tolist() == [2, 4, 0]


def test_a_constant_term_has_no_gradient() -> None:
    color = torch.ones(2, 3, requires_grad=True)
    assert term_gradients({"gamut": torch.zeros(2)}, [color])["gamut"].tolist() == [0] * 6


def test_shares_and_cosines_worked_by_hand() -> None:
    gradients = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.0, 2.0]), "c": torch.tensor([0.0, 0.0])}
    facts = gradient_facts(gradients, {"a": 1.0, "b": 2.5, "c": 7.0})
    assert facts["a.share"] == pytest.approx(0.5)
    assert facts["b.share"] == pytest.approx(0.5)
    assert facts["c.share"] == 0
    assert facts["cosine.a.b"] == pytest.approx(0.8)
    assert facts["cosine.a.c"] == 0
    assert list(facts) == ["a.share", "b.share", "c.share", "cosine.a.b", "cosine.a.c", "cosine.b.c"]


def test_opposite_terms_have_cosine_minus_one() -> None:
    facts = gradient_facts({"a": torch.tensor([1e-3, 1e-3]), "b": torch.tensor([-5.0, -5.0])}, {"a": 1.0, "b": 1.0})
    assert facts["cosine.a.b"] == pytest.approx(-1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_named(value: float) -> None:
    with pytest.raises(NonFiniteError, match="l2 is not finite at step 3"):
        check_finite({"l1": torch.zeros(1), "l2": torch.tensor([0.0, value])}, 2)
