from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chromalab.color.bins import BIN_COUNT, rebalancing_weights
from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError
from chromalab.losses.base import ColorBatch, LossTerm, Parameter
from chromalab.losses.compose import Objective, TermSpec, bin_weights, build, parse_formula
from chromalab.losses.registry import LOSSES


@pytest.mark.parametrize(
    ("formula", "canonical"),
    [
        ("l1", "l1"),
        (" l2+0.10 * wgan_gp ( penalty = 1e1 , ) ", "l2 + 0.1*wgan_gp(penalty=10)"),
        ("1.*l1 + .5*l2", "l1 + 0.5*l2"),
        ("2.5e-3*lpips_alex", "0.0025*lpips_alex"),
        ("wgan_gp(penalty=1, critic_steps=5)", "wgan_gp(penalty=1, critic_steps=5)"),
        ("perceptual + 3*l1", "0.1*perceptual_lite0 + 3*l1"),
        ("2*perceptual", "0.2*perceptual_lite0"),
    ],
)
def test_formulas_are_read(formula: str, canonical: str) -> None:
    specs = parse_formula(formula, {"perceptual": TermSpec(0.1, "perceptual_lite0")})
    assert " + ".join(map(str, specs)) == canonical


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "expected the name of a loss at position 1, got the end"),
        ("l3", r"unknown loss 'l3' at position 1 of 'l3'; known are: .*l1, "),
        ("l2 + wgan_pg", r"unknown loss 'wgan_pg' at position 6 .*did you mean 'wgan_gp'"),
        ("l2 l1", r"expected '\+' or the end at position 4, got 'l1'"),
        ("l2 +", "expected the name of a loss at position 5, got the end"),
        ("0.1 l2", r"expected '\*' at position 5, got 'l2'"),
        ("l2 - l1", r"expected '\+' or the end at position 4, got '-'"),
        ("l2 + 0.1*l2", "contains l2 twice"),
        ("l2(delta=1)", "unknown parameter 'delta' of l2 .*; it has no parameters"),
        ("wgan_gp(penalti=1)", "unknown parameter 'penalti' of wgan_gp .*did you mean 'penalty'"),
        ("wgan_gp(penalty=-1)", "penalty=-1 of wgan_gp: expected a number from 0"),
        ("wgan_gp(penalty=--1)", "expected a number at position 18, got '-'"),
        ("wgan_gp(penalty=1e9)", r"penalty=1e\+09 of wgan_gp: expected a number from 0 to 1e\+06"),
        ("wgan_gp(critic_steps=1.5)", "expected a whole number from 1 to 100"),
        ("wgan_gp(penalty=1", r"expected ',' or '\)' at position 18, got the end"),
        ("l2 & l1", "got '&'"),
        ("huber(delta=1, delta=2)", r"the parameter delta of huber is given twice in 'huber\(delta=1, delta=2\)'"),
        ("l2 + 1e999*l1", "the number 1e999 at position 6 is too large"),
        ("huber(delta=1e999)", "the number 1e999 at position 13 is too large"),
    ],
)
def test_mistakes_are_reported_with_their_position(formula: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_formula(formula)


@pytest.mark.parametrize("weight", [math.inf, math.nan])
def test_numbers_in_a_mapping_must_be_finite(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"l1: weight must be a finite number, not (inf|nan)"):
        parse_formula([{"loss": "l1", "weight": weight}])
    with pytest.raises(ConfigError, match=r"huber: delta must be a finite number, not (inf|nan)"):
        parse_formula([{"loss": "huber", "delta": weight}])


@given(
    st.lists(
        st.tuples(st.floats(1e-6, 1e6, allow_nan=False), st.sampled_from(["l1", "l2", "lpips_vgg", "wgan_gp"])),
        min_size=1,
        max_size=4,
        unique_by=lambda term: term[1],
    )
)
def test_the_canonical_form_reads_back_as_itself(terms: list[tuple[float, str]]) -> None:
    canonical = " + ".join(str(TermSpec(weight, name)) for weight, name in terms)
    assert " + ".join(map(str, parse_formula(canonical))) == canonical


@pytest.mark.slow
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse_formula(text)


def test_the_total_is_the_weighted_sum_of_means() -> None:
    objective = Objective(parse_formula("2*l1 + 0.5*l2"))
    values = {"l1": torch.tensor([1.0, 3.0]), "l2": torch.tensor([10.0, 30.0])}
    assert float(objective.total(values)) == pytest.approx(2 * 2 + 0.5 * 20)


class _CountingTerm(torch.nn.Module):
    """Stands for a loss; counts how often it is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, batch: ColorBatch) -> torch.Tensor:
        self.calls += 1
        return batch.preds.mean(dim=(1, 2, 3))


def test_only_the_named_terms_are_computed() -> None:
    objective = build("l1 + 0.5*l2 + huber")
    spy = _CountingTerm()
    objective.terms["l2"] = spy
    rgb = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = ColorBatch.of(SPACES["lab"], rgb.flip(1), rgb)
    everything = objective(batch)
    assert list(everything) == ["l1", "l2", "huber"]
    assert spy.calls == 1
    some = objective(batch, {"huber", "l1"})
    assert list(some) == ["l1", "huber"], "in the order of the formula"
    assert spy.calls == 1
    assert all(torch.equal(some[name], everything[name]) for name in some)
    assert float(objective.total(some)) == pytest.approx(float(some["l1"].mean() + some["huber"].mean()))


def test_the_adversarial_term_is_known_by_name() -> None:
    assert build("l2 + 0.1*wgan_gp").adversarial_name == "wgan_gp"
    assert build("l2 + l1").adversarial_name is None


def test_one_critic_is_enough() -> None:
    second = LOSSES["wgan_gp"]
    LOSSES.add("wgan_gp_again", second)
    try:
        with pytest.raises(ConfigError, match="two adversarial terms"):
            build("wgan_gp + wgan_gp_again")
    finally:
        LOSSES._entries.pop("wgan_gp_again")


def test_weights_of_the_bins_are_those_of_the_cross_entropy() -> None:
    prior = np.random.default_rng(0).dirichlet(np.ones(BIN_COUNT))
    assert bin_weights("l1 + 2*cross_entropy(rebalance=0.3)", lambda: prior) == pytest.approx(
        rebalancing_weights(prior, 0.3), rel=1e-6
    )
    assert bin_weights("cross_entropy", lambda: None) is None
    with_plugin = bin_weights("loss_of_a_plugin(power=2) + 0.1*cross_entropy(rebalance=0.3)", lambda: prior)
    assert with_plugin == pytest.approx(rebalancing_weights(prior, 0.3), rel=1e-6)

    def unneeded() -> None:
        raise AssertionError

    assert bin_weights("l1 + ssim", unneeded) is None


class Unweighted(LossTerm):
    """Takes the prior, but states no weights of the bins."""

    def forward(self, batch: ColorBatch) -> torch.Tensor:
        return batch.preds.mean(dim=(1, 2, 3))


def test_a_loss_that_takes_the_prior_may_have_no_weights_of_the_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    LOSSES.add("unweighted", replace(LOSSES["cross_entropy"], name="unweighted", build=Unweighted, parameters={}))
    prior = np.random.default_rng(0).dirichlet(np.ones(BIN_COUNT))
    assert bin_weights("unweighted + 10*l1", lambda: prior) is None
    both = bin_weights("unweighted + cross_entropy(rebalance=0.3)", lambda: prior)
    assert both == pytest.approx(rebalancing_weights(prior, 0.3), rel=1e-6)


def test_a_parameter_may_be_negative_if_its_range_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    shift = {"shift": Parameter(0.0, -1.0, 1.0, "a shift")}
    LOSSES.add("shifted", replace(LOSSES["l1"], name="shifted", parameters=shift))
    for written in ("2*shifted(shift=-0.5)", [{"loss": "shifted", "weight": 2, "shift": -0.5}]):
        (spec,) = parse_formula(written)
        assert spec == TermSpec(2.0, "shifted", (("shift", -0.5),))
        assert parse_formula(str(spec)) == (spec,)


def test_networks_of_an_objective_are_those_it_is_trained_on() -> None:
    assert build("l2 + perceptual_lite0").networks == ["efficientnet_lite0"]
    assert build("l2 + wgan_gp").networks == []
