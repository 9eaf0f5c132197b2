"""Balanced terms have the written shares of the gradient."""

from __future__ import annotations

import csv
import math

import pytest
import torch

from chromalab.core.errors import NonFiniteError
from chromalab.data.photoset import PhotoSet
from chromalab.losses.compose import build
from chromalab.training.balance import (
    DECAY,
    EVERY_STEPS,
    LARGEST_FACTOR,
    Balancer,
    check_finite,
    gradient_facts,
    term_gradients,
)
from chromalab.training.checkpoints import weights_sha256
from chromalab.training.job import TrainingJob
from chromalab.training.loop import train
from chromalab.training.settings import NetworkSettings, TermSchedule

from .conftest import MakeJob
from .test_loop import StopError, stop_at


def gradients(**norms: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([norm, 0.0]) for name, norm in norms.items()}


def test_shares_approach_the_written_weights() -> None:
    balancer = Balancer(build("l2 + 0.5*l1"))
    balancer.update(gradients(l2=0.01, l1=4.0))
    weights = balancer.weights
    assert weights["l2"] == 1, "the first term keeps its weight"
    shares = weights["l2"] * 0.01, weights["l1"] * 4.0
    assert shares[1] / shares[0] == pytest.approx(0.5)


def test_initial_weights_are_the_written_ones() -> None:
    assert Balancer(build("3*l2 + 0.5*l1")).weights == {"l2": 3, "l1": 0.5}


def test_norms_are_averaged() -> None:
    balancer = Balancer(build("l2 + l1"))
    balancer.update(gradients(l2=1.0, l1=1.0))
    balancer.update(gradients(l2=1.0, l1=2.0))
    assert balancer.weights["l1"] == pytest.approx(1 / (DECAY * 1 + (1 - DECAY) * 2))


def test_the_weight_of_a_term_without_gradient_is_bounded() -> None:
    balancer = Balancer(build("l2 + 2*l1"))
    balancer.update(gradients(l2=1.0, l1=0.0))
    assert balancer.weights["l1"] == pytest.approx(2 * LARGEST_FACTOR)
    balancer = Balancer(build("l2 + 2*l1"))
    balancer.update(gradients(l2=0.0, l1=0.0))
    assert balancer.weights == {"l2": 1, "l1": 2}


def balanced(job: TrainingJob) -> TrainingJob:
    settings = job.settings.model_copy(update={"balance": True, "images": 4 * (EVERY_STEPS + 4)})
    return TrainingJob(job.formula, job.color_space, job.seed, settings, job.runtime, job.folder)


@pytest.mark.slow
def test_a_balanced_training_logs_its_weights_and_resumes_exactly(photos: PhotoSet, make_job: MakeJob) -> None:
    formula = "l2 + 0.25*perceptual_lite0"
    whole = balanced(make_job(formula, folder="whole"))
    outcome = train(whole, photos)
    stopped = balanced(make_job(formula, folder="stopped", checkpoint_every_s=0))
    with pytest.raises(StopError):
        train(stopped, photos, advance=stop_at(EVERY_STEPS + 2))
    again = train(stopped, photos)
    assert weights_sha256(again.colorizer) == weights_sha256(outcome.colorizer)
    with (whole.folder / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["perceptual_lite0.share"]) == pytest.approx(0.2, abs=1e-4)
    assert float(rows[0]["perceptual_lite0.weight"]) != 0.25
    assert {row["l2.weight"] for row in rows} == {"1.0"}
    assert "cosine.l2.perceptual_lite0" in rows[0]


@pytest.mark.slow
def test_a_late_term_is_balanced_from_its_first_step(photos: PhotoSet, make_job: MakeJob) -> None:
    job = balanced(make_job("l2 + l1 + 0.5*huber"))
    terms = {"l2": TermSchedule(start=0.15), "huber": TermSchedule(start=0.5)}
    network = NetworkSettings(encoder="vgg16", pretrained=False, width=0.125)
    settings = job.settings.model_copy(update={"terms": terms, "network": network})
    train(TrainingJob(job.formula, job.color_space, job.seed, settings, job.runtime, job.folder), photos)
    with (job.folder / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    acting = [sum(bool(row[name]) for name in ("l2", "l1", "huber")) for row in rows]
    assert acting == [1] * 3 + [2] * 4 + [3] * 7
    first = next(row for row in rows if row["huber"])
    assert float(first["huber.share"]) == pytest.approx(0.2, abs=0.05)
    assert float(first["l2.weight"]) == 1


def test_gradients_of_all_outputs_are_concatenated() -> None:
    color = torch.tensor([[1.0, 2.0]], requires_grad=True)
    logits = torch.tensor([[3.0]], requires_grad=True)
    values = {"both": (color.sum() + 5 * logits.sum()).reshape(1), "color": color.square().sum().reshape(1)}
    gradients = term_gradients(values, [color, logits])
    assert gradients["both"].tolist() == [1, 1, 5]
    assert gradients["color"].tolist() == [2, 4, 0]


def test_a_constant_term_has_no_gradient() -> None:
    color = torch.ones(2, 3, requires_grad=True)
    assert term_gradients({"gamut": torch.zeros(2)}, [color])["gamut"].tolist() == [0] * 6


def test_shares_and_cosines_equal_manual_calculation() -> None:
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
def test_a_value_that_is_not_finite_is_named(value: float) -> None:
    with pytest.raises(NonFiniteError, match="l2 is not finite at step 3"):
        check_finite({"l1": torch.zeros(1), "l2": torch.tensor([0.0, value])}, 2)
