from __future__ import annotations

from itertools import product
from typing import Literal

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError, UnknownNameError
from chromalab.losses.adversarial import ENTRIES
from chromalab.losses.base import AdversarialTerm, ColorBatch, CriticLoss
from chromalab.losses.compose import build
from chromalab.nets.critics import CRITICS
from chromalab.training.balance import term_gradients
from chromalab.training.build import build_critic
from chromalab.training.critic import CriticTrainer
from chromalab.training.devices import make_fabric
from chromalab.training.settings import CriticSettings, OptimizerSettings, RuntimeSettings, TrainingSettings

SIZE = 32
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def settings(**critic: object) -> TrainingSettings:
    return TrainingSettings(
        crop_px=SIZE,
        optimizer=OptimizerSettings(learning_rate=3e-3),
        critic=CriticSettings.model_validate({"width": 0.0625} | critic),
    )


def make_trainer(fabric: Fabric, formula: str, *, space: str = "lab", seed: int = 0, **critic: object) -> CriticTrainer:
    term = build(formula).adversarial
    assert term is not None
    return CriticTrainer(fabric, term, space, seed, settings(**critic))


def make_batch(step: int = 0, space: str = "lab") -> ColorBatch:
    """Return photos with predictions that have half of their color."""
    coarse = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(step))
    rgb = nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")
    lightness, target = SPACES[space].encode(rgb)
    grey = SPACES[space].grey(lightness)
    preds = ((target + grey) / 2).requires_grad_()
    return ColorBatch(SPACES[space], lightness, preds, target, rgb)


def weights(trainer: CriticTrainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.critic.state_dict().items()}


@pytest.mark.parametrize(("entry", "network"), list(product([entry.name for entry in ENTRIES], CRITICS)))
def test_any_loss_trains_any_critic_and_attaches_it_to_the_batch(fabric: Fabric, entry: str, network: str) -> None:
    for sees, space in (("pair", "lab"), ("color", "rgb"), ("rgb", "lab")):
        trainer = make_trainer(
            fabric, f"{entry}(critic_steps=2, penalty=1, r1=1)", network=network, sees=sees, space=space
        )
        before, batch = weights(trainer), make_batch(space=space)
        loss = trainer.update(fabric, batch, step=0)
        assert loss.total.isfinite()
        assert set(loss.facts) == {"distance", "accuracy", "gradient_norm"}
        assert any(not torch.equal(tensor, before[name]) for name, tensor in weights(trainer).items())
        values = build(entry)(batch)[entry]
        values.sum().backward()
        assert batch.preds.grad is not None
        assert batch.preds.grad.isfinite().all()
        assert batch.preds.grad.any()
        assert not any(weight.requires_grad for weight in trainer.critic.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("network", list(CRITICS))
def test_penalties_and_diagnostics_work_in_mixed_precision(network: str) -> None:
    formula = "gan(penalty=1, r1=1)"
    for sees in ("pair", "rgb"):
        results = []
        precisions: tuple[Literal["32-true", "bf16-mixed"], ...] = ("32-true", "bf16-mixed")
        for precision in precisions:
            fabric = make_fabric(RuntimeSettings(device="cpu", precision=precision, threads=1))
            trainer, batch = make_trainer(fabric, formula, network=network, sees=sees), make_batch()
            loss = trainer.update(fabric, batch, step=0)
            assert loss.total.dtype == torch.float32
            values = build(formula)(batch)
            gradient = term_gradients(values, [batch.preds])["gan"]
            assert gradient.isfinite().all()
            results.append([float(loss.total.detach()), *(float(fact) for fact in loss.facts.values())])
        # bfloat16 has three digits
        assert results[1][0] == pytest.approx(results[0][0], rel=0.05)
        assert results[1][-1] == pytest.approx(results[0][-1], rel=0.05)


@pytest.mark.slow
def test_the_critic_learns_to_distinguish_true_from_generated(fabric: Fabric) -> None:
    for formula in ("gan", "lsgan", "hinge", "wgan_gp(penalty=0.1)"):
        trainer = make_trainer(fabric, formula, network="chromagan", width=0.125)
        for step in range(40):
            facts = trainer.update(fabric, make_batch(0), step).facts
        assert float(facts["accuracy"]) == 1
        assert float(facts["distance"]) > 0.05


def test_the_critics_own_rate_and_optimizer_are_used(fabric: Fabric) -> None:
    for name, kind in zip(
        OPTIMIZERS, (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.SGD), strict=True
    ):
        trainer = make_trainer(fabric, "gan", optimizer=name, learning_rate=7e-5)
        assert type(trainer.optimizer.optimizer) is kind
        assert [group["lr"] for group in trainer.optimizer.param_groups] == [7e-5]
    assert make_trainer(fabric, "gan").optimizer.param_groups[0]["lr"] == 3e-3  # the colorizer's


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_restored_critic_continues_exactly(fabric: Fabric, optimizer: str) -> None:
    def play(trainer: CriticTrainer, steps: range) -> CriticTrainer:
        for step in steps:
            trainer.update(fabric, make_batch(step), step)
        return trainer

    def fresh() -> CriticTrainer:
        return make_trainer(
            fabric, "wgan_gp(penalty=1, critic_steps=2, r1=0.5)", optimizer=optimizer, network="patchgan70"
        )

    whole = play(fresh(), range(4))
    state = play(fresh(), range(2)).state_dict()
    resumed = fresh()
    resumed.load_state_dict(state)
    play(resumed, range(2, 4))
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())


class Listener(AdversarialTerm):
    """Records its random numbers and its calls after steps."""

    critic_steps = 3

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[float] = []
        self.steps: list[nn.Module] = []

    def forward(self, batch: ColorBatch) -> Tensor:
        return batch.critic_scores.mean(dim=(1, 2))

    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        assert not batch.preds.requires_grad
        self.heard.append(float(torch.rand((), generator=generator)))
        return CriticLoss(critic(batch.lightness, batch.preds).mean(), {})

    def after_critic_step(self, critic: nn.Module) -> None:
        assert len(self.heard) == len(self.steps) + 1
        self.steps.append(critic)


def test_random_numbers_depend_on_seed_step_and_turn(fabric: Fabric) -> None:
    heard = []
    for seed, steps in ((0, (0, 1)), (0, (1,)), (1, (1,))):
        term = Listener()
        trainer = CriticTrainer(fabric, term, "lab", seed, settings())
        for step in steps:
            trainer.update(fabric, make_batch(), step)
        heard.append(term.heard)
        assert term.steps == [trainer.critic] * len(term.heard)
    assert len(set(heard[0])) == 6
    assert heard[1] == heard[0][3:]  # whatever went before
    assert not set(heard[2]) & set(heard[0])


def test_initial_weights_depend_only_on_the_seed() -> None:
    for network in CRITICS:
        chosen = CriticSettings(network=network, width=0.0625)
        first = build_critic(chosen, "lab", 0).state_dict()
        again, other = (build_critic(chosen, "yuv", seed).state_dict() for seed in (0, 1))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)


def test_crops_that_are_too_small_for_the_critic_are_rejected(fabric: Fabric) -> None:
    small = settings(network="patchgan70").model_copy(update={"crop_px": 16})
    with pytest.raises(ConfigError, match=r"critic patchgan70 needs images of at least 24 px, but crops have 16 px"):
        CriticTrainer(fabric, Listener(), "lab", 0, small)


def test_an_unknown_critic_is_rejected(fabric: Fabric) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown critic 'patchgan'; did you mean 'patchgan70'"):
        make_trainer(fabric, "gan", network="patchgan")
