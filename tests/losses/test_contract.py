"""The checks of a loss: what they say, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chromalab.core.errors import ConfigError, UnknownNameError, UsageError
from chromalab.losses.adversarial import WGANGP
from chromalab.losses.base import AdversarialTerm, Choice, ColorBatch, CriticLoss, LossEntry, LossTerm, Parameter
from chromalab.losses.bench import Bench
from chromalab.losses.contract import Check, check_loss
from chromalab.losses.gradient_field import CHROMA_SHARE, HUE_SHIFT_DEG, gradient_field
from chromalab.losses.pixel import L1, L2
from chromalab.losses.registry import LOSSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENTRY = LossEntry(name="tried", family="pixel", formula="mean e^2", source="this test", build=L2)


class Scaled(LossTerm):
    """Mean scale e^2, of which e is a share of the logits where there are any."""

    def __init__(self, scale: float = 2.0, form: str = "square") -> None:
        super().__init__()
        self.scale = scale
        self.form = form

    def forward(self, batch: ColorBatch) -> Tensor:
        given = batch.preds - batch.target if batch.bin_logits is None else batch.bin_logits
        if batch.class_logits is not None:
            given = batch.class_logits[:, :, None, None]
        return self.scale * given.square().mean(dim=(1, 2, 3))


def scaled(**parameters: Parameter | Choice) -> LossEntry:
    return replace(ENTRY, build=Scaled, parameters=parameters)


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.passed}


def test_a_correct_loss_passes_and_its_numbers_are_reported() -> None:
    checks = {check.name: check for check in check_loss(ENTRY)}
    assert all(check.passed for check in checks.values())
    assert checks["zero at target"].detail == "a perfect prediction has the loss 0, 0"
    assert "critic's loss" not in checks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (replace(ENTRY, formula=" "), "states no formula"),
        (replace(ENTRY, source=""), "states no source"),
        (scaled(scale=Parameter(2.0, 3.0, 4.0, "scale")), "scale=2 is not between 3 and 4"),
        (scaled(scale=Parameter(2.0, 1.0, 4.0, "")), "scale states no meaning"),
        (scaled(scale=Parameter(3.0, 1.0, 4.0, "scale")), "states scale=3.0, but its build has scale=2.0"),
        (scaled(form=Choice("round", ("square",), "form")), "form=round is not one of its options: square"),
        (scaled(size=Parameter(2.0, 1.0, 4.0, "size")), "a parameter size, but its build has no parameter"),
    ],
)
def test_incomplete_facts_are_reported(entry: LossEntry, message: str) -> None:
    assert message in failed(check_loss(entry))["facts"]


def test_facts_that_fit_pass() -> None:
    entry = scaled(scale=Parameter(2.0, 1.0, 4.0, "scale"), form=Choice("square", ("square", "x"), "form"))
    assert failed(check_loss(entry, parameters={"scale": 3.0})) == {}
    assert failed(check_loss(replace(entry, build=Scaled))) == {}
    assert failed(check_loss(replace(ENTRY, build=partial(Scaled, 3.0)))) == {}


class Raises(LossTerm):
    """Fails as strangers' losses do."""

    def forward(self, batch: ColorBatch) -> Tensor:
        raise ValueError("no such thing")


class Detached(LossTerm):
    """Gives no gradient."""

    def forward(self, batch: ColorBatch) -> Tensor:
        return batch.target.mean(dim=(1, 2, 3))


class Number(LossTerm):
    """Gives no tensor."""

    def forward(self, batch: ColorBatch) -> Tensor:
        return 1.0  # type: ignore[return-value]


def test_an_exception_of_a_loss_is_reported_with_its_line() -> None:
    found = failed(check_loss(replace(ENTRY, build=Raises)))
    assert "test_contract.py, line " in found["shape"]
    assert found["shape"].endswith(": ValueError: no such thing")


def test_a_loss_without_a_gradient_is_reported() -> None:
    assert "does not depend on the prediction" in failed(check_loss(replace(ENTRY, build=Detached)))["gradient on gray"]


def test_a_result_that_is_not_a_tensor_is_reported() -> None:
    assert failed(check_loss(replace(ENTRY, build=Number)))["shape"] == "the loss returned a float instead of a tensor"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (nn.Identity, "build returned a Identity instead of a LossTerm"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_loss_that_cannot_be_built_is_reported(build: type[LossTerm], message: str) -> None:
    facts, built = check_loss(replace(ENTRY, build=build))
    assert facts.passed
    assert (built.name, built.passed) == ("build", False)
    assert message in built.detail


@pytest.mark.slow
@pytest.mark.parametrize("needs", [("bins", "prior"), ("classes",)])
def test_losses_over_logits_are_differentiated_by_them(needs: tuple[str, ...]) -> None:
    entry = replace(ENTRY, build=Scaled, needs=needs)
    checks = check_loss(entry)
    assert failed(checks) == {}
    assert "zero at target" not in {check.name for check in checks}
    color, logits = Bench(entry).gradients(Bench(entry).photos())
    assert not color.any()
    assert logits.any()


class MoreBins(Scaled):
    """States the weights of other bins."""

    def bin_weights(self) -> NDArray[np.float64]:
        return np.ones(12)


def test_weights_of_the_bins_must_fit_the_head() -> None:
    found = failed(check_loss(replace(ENTRY, build=MoreBins, needs=("bins", "prior"))))
    assert found["bin weights"].startswith("bin_weights must return None or 313 positive numbers")


def test_bins_belong_to_lab() -> None:
    with pytest.raises(ConfigError, match="use the space lab"):
        check_loss(replace(ENTRY, needs=("bins",)), space="yuv")
    with pytest.raises(UnknownNameError, match="unknown color space 'hsv'"):
        check_loss(ENTRY, space="hsv")


class Silent(WGANGP):
    """Tells nothing of its critic, and trains it by nothing."""

    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        return CriticLoss(0 * critic(batch.lightness, batch.preds).mean(), self.reported)

    reported: dict[str, Tensor] = {}


class Idle(Silent):
    """Trains its critic by nothing."""

    reported = {"distance": torch.tensor(0.0), "accuracy": torch.tensor(0.0)}


class Endless(Idle):
    """Has an endless loss."""

    def critic_loss(self, critic: nn.Module, batch: ColorBatch, generator: torch.Generator) -> CriticLoss:
        return CriticLoss(critic(batch.lightness, batch.preds).mean() / 0, self.reported)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (L2, "is not an AdversarialTerm"),
        (Silent, "reports no accuracy and no distance"),
        (Idle, "gives the critic no gradient"),
        (Endless, "is not finite"),
    ],
)
def test_the_loss_of_the_critic_is_checked(build: type[AdversarialTerm], message: str) -> None:
    entry = replace(LOSSES["wgan_gp"], build=build, parameters={})
    assert message in failed(check_loss(entry))["critic's loss"]


def test_a_critic_that_is_given_is_left_as_it_was() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.5))

        def forward(self, lightness: Tensor, color: Tensor) -> Tensor:
            return self.scale * color.mean(dim=(1, 2, 3))[:, None, None]

    critic = Mean()
    assert failed(check_loss(LOSSES["wgan_gp"], critic=critic)) == {}
    assert critic.scale.dtype == torch.float32
    assert critic.scale.grad is None


def test_the_global_random_state_is_unchanged() -> None:
    class Noisy(LossTerm):
        def forward(self, batch: ColorBatch) -> Tensor:
            return torch.rand(len(batch.preds)) * batch.preds.mean(dim=(1, 2, 3))

    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    assert "repeatable" in failed(check_loss(replace(ENTRY, build=Noisy)))
    assert torch.rand(1) == first


PHOTO = np.random.default_rng(0).integers(60, 200, (12, 16, 3), dtype=np.uint8)


def test_the_pull_of_a_square_is_twice_the_way() -> None:
    """The mean of e^2 over N pixels and two channels, in units of 110: N d/d(a*, b*) = 2 e / 2 / 110 / 110."""
    field = gradient_field(Bench(ENTRY), PHOTO)
    np.testing.assert_allclose(field.pull, field.way / 110**2, rtol=1e-3, atol=1e-8)
    assert field.agreement == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(field.strength, np.linalg.norm(field.pull, axis=2))
    np.testing.assert_allclose(field.photo, PHOTO / 255, atol=1e-6)


def test_the_pull_of_absolute_values_points_along_the_diagonals() -> None:
    field = gradient_field(Bench(replace(ENTRY, build=L1)), PHOTO)
    np.testing.assert_allclose(np.abs(field.pull), 0.5 / 110, rtol=1e-4)


def test_the_prediction_of_a_field_has_the_stated_errors() -> None:
    """The way d = t - s R t: |d| / |t| = |1 - s exp(i angle)|, the same at every pixel."""
    field = gradient_field(Bench(ENTRY), PHOTO)
    expected = abs(1 - CHROMA_SHARE * np.exp(1j * np.deg2rad(HUE_SHIFT_DEG)))
    lab = Bench(ENTRY).space.encode(torch.tensor(PHOTO).permute(2, 0, 1)[None].float() / 255)[1][0].numpy() * 110
    np.testing.assert_allclose(np.linalg.norm(field.way, axis=2), expected * np.hypot(lab[0], lab[1]), rtol=1e-4)


def test_there_is_no_field_over_logits_nor_of_too_small_a_photo() -> None:
    with pytest.raises(UsageError, match="acts on a separate head"):
        gradient_field(Bench(replace(ENTRY, build=Scaled, needs=("bins",))), PHOTO)
    with pytest.raises(UsageError, match="16x12 px, but ms_ssim needs sides of at least 161"):
        gradient_field(Bench(LOSSES["ms_ssim"]), PHOTO)
