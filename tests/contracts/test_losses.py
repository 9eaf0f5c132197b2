"""What every entry of the loss registry must satisfy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from chromalab.color.spaces import SPACES
from chromalab.losses.base import ColorBatch, LossTerm, Parameter
from chromalab.losses.registry import LOSSES
from chromalab.nets.critics import PatchCritic
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.adding import add_weights
from chromalab.weights.manifest import MANIFEST, TrunkWeights

SIZE = 64
SPACE = SPACES["lab"]


@pytest.fixture(scope="module")
def trunks(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with every trunk; VGG16's weights are random: these tests ask nothing of their values."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMALAB_WEIGHTS", str(folder))
        for name in ("alexnet_features", "squeezenet1_1_features"):
            add_weights(shared / "data" / "weights" / f"{name}.safetensors")
        network = VGG16(width=1.0, generator=torch.Generator().manual_seed(0))
        save_file(network.state_dict(), folder / "random.safetensors")
        add_weights(folder / "random.safetensors")
    return folder


@pytest.fixture(params=list(LOSSES))
def term(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LossTerm:
    """Every loss in turn, with the weights that it needs."""
    entry = LOSSES[request.param]
    stored = [need for need in entry.needs if need in MANIFEST and isinstance(MANIFEST[need], TrunkWeights)]
    if stored:
        monkeypatch.setenv("CHROMALAB_WEIGHTS", str(request.getfixturevalue("trunks")))
    return entry.build()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The registry name of `term`."""
    return str(request.node.callspec.params["term"])


@pytest.fixture(scope="module")
def critic() -> nn.Module:
    return PatchCritic(2, width=0.125, generator=torch.Generator().manual_seed(0)).requires_grad_(False)


def colors(count: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return photographs of smooth colours with their lightness and color."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    rgb = nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic").clamp(0, 1)
    return (*SPACE.encode(rgb), rgb)


def evaluate(term: LossTerm, preds: Tensor, critic: nn.Module, count: int = 2) -> Tensor:
    lightness, target, rgb = colors(count)
    value: Tensor = term(ColorBatch(SPACE, lightness, preds, target, rgb, critic))
    return value


def test_there_is_one_value_for_each_image(term: LossTerm, critic: nn.Module) -> None:
    values = evaluate(term, torch.zeros(2, 2, SIZE, SIZE), critic)
    assert values.shape == (2,)
    assert values.isfinite().all()


def test_a_perfect_prediction_costs_what_is_declared(term: LossTerm, name: str, critic: nn.Module) -> None:
    _, target, _ = colors()
    values = evaluate(term, target, critic)
    if LOSSES[name].zero_at_target:
        # colours went to Lab and back: what is left is the round trip's own error
        assert values.abs().max() < 1e-4
        assert (evaluate(term, torch.zeros_like(target), critic) > values + 1e-3).all()


def test_gradients_are_finite_at_equality_and_at_grey(term: LossTerm, critic: nn.Module) -> None:
    _, target, _ = colors()
    for preds in (target.clone(), torch.zeros_like(target)):
        preds.requires_grad_()
        evaluate(term, preds, critic).sum().backward()
        assert preds.grad is not None
        assert preds.grad.isfinite().all()


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_pictures(term: LossTerm, critic: nn.Module, grey: float) -> None:
    rgb = torch.full((1, 3, SIZE, SIZE), grey)
    lightness, target = SPACE.encode(rgb)
    preds = (target + 0.01).requires_grad_()
    term(ColorBatch(SPACE, lightness, preds, target, rgb, critic)).sum().backward()
    assert preds.grad is not None
    assert preds.grad.isfinite().all()


def test_a_batch_gives_what_its_images_give_alone(term: LossTerm, critic: nn.Module) -> None:
    lightness, target, rgb = colors(3)
    preds = target * 0.5
    together = term(ColorBatch(SPACE, lightness, preds, target, rgb, critic))
    alone = []
    for i in range(3):
        one = slice(i, i + 1)
        alone.append(term(ColorBatch(SPACE, lightness[one], preds[one], target[one], rgb[one], critic)))
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences(term: LossTerm, critic: nn.Module) -> None:
    term, critic = term.double(), PatchCritic(2, width=0.125, generator=torch.Generator().manual_seed(0)).double()
    lightness, target, rgb = (part[:1, :, :32, :32].double() for part in colors())
    direction = torch.randn(target.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    start = target * 0.5

    def along(step: float) -> Tensor:
        preds = start + step * direction
        value: Tensor = term(ColorBatch(SPACE, lightness, preds, target, rgb, critic))
        return value.sum().detach()

    preds = start.clone().requires_grad_()
    term(ColorBatch(SPACE, lightness, preds, target, rgb, critic)).sum().backward()
    assert preds.grad is not None
    # Networks of rectifiers have kinks: the step is small enough that hardly any of them is crossed.
    numeric = (along(1e-6) - along(-1e-6)) / 2e-6
    assert float((preds.grad * direction).sum()) == pytest.approx(float(numeric), rel=2e-3, abs=1e-7)


def test_facts_are_complete(name: str, term: LossTerm) -> None:
    entry = LOSSES[name]
    assert entry.name == name
    assert entry.formula
    assert entry.source
    for parameter in entry.parameters.values():
        if isinstance(parameter, Parameter):
            assert parameter.low <= parameter.default <= parameter.high
        else:
            assert parameter.default in parameter.options
        assert parameter.meaning
