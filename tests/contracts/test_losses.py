"""What every entry of the loss registry must satisfy, and that the checks of it can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from chromalab.color.spaces import SPACES
from chromalab.losses.base import ColorBatch, LossEntry, LossTerm, Parameter
from chromalab.losses.contract import check_loss
from chromalab.losses.plugins import checked_entries
from chromalab.losses.registry import LOSSES
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.adding import add_weights
from chromalab.weights.manifest import MANIFEST, TrunkWeights

LIGHT = [name for name, entry in LOSSES.items() if not set(entry.needs) & set(MANIFEST)]
"""Losses without a trained network: they are quick enough to be tried in every way."""


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


@pytest.fixture
def entry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LossEntry:
    """The loss that the test is parametrised with, and the weights that it needs."""
    entry = LOSSES[request.param]
    if any(need in MANIFEST and isinstance(MANIFEST[need], TrunkWeights) for need in entry.needs):
        monkeypatch.setenv("CHROMALAB_WEIGHTS", str(request.getfixturevalue("trunks")))
    return entry


def failures(
    entry: LossEntry, space: str = "lab", parameters: Mapping[str, float | str] | None = None
) -> dict[str, str]:
    checks = check_loss(entry, parameters=parameters, space=space)
    return {check.name: check.detail for check in checks if not check.passed}


HEAVY = {"lpips_vgg", "lpips_alex", "vgg_feature", "style", "perceptual_lite0", "contextual", "ms_ssim", "class_kl"}


@pytest.mark.every_case
@pytest.mark.parametrize(
    "entry", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in LOSSES], indirect=True
)
def test_every_loss_keeps_the_contract(entry: LossEntry) -> None:
    assert failures(entry) == {}


@pytest.mark.parametrize("entry", [name for name in LIGHT if "bins" not in LOSSES[name].needs], indirect=True)
@pytest.mark.parametrize("space", [name for name in SPACES if name != "lab"])
def test_light_losses_keep_it_in_every_space(entry: LossEntry, space: str) -> None:
    assert failures(entry, space) == {}


def ends() -> Iterator[tuple[str, str, float | str]]:
    for name in LIGHT:
        for key, parameter in LOSSES[name].parameters.items():
            found = (parameter.low, parameter.high) if isinstance(parameter, Parameter) else parameter.options
            yield from ((name, key, value) for value in found)


@pytest.mark.parametrize(("entry", "key", "value"), list(ends()), indirect=["entry"])
def test_light_losses_keep_it_at_the_ends_of_their_parameters(entry: LossEntry, key: str, value: float | str) -> None:
    assert failures(entry, parameters={key: value}) == {}


@pytest.mark.parametrize("name", list(LOSSES))
def test_entries_are_registered_by_name_and_well_typed(name: str) -> None:
    assert LOSSES[name].name == name
    assert checked_entries(LOSSES[name], origin="the registry") == (LOSSES[name],)


def error(batch: ColorBatch) -> Tensor:
    return batch.preds - batch.target


def mean(values: Tensor) -> Tensor:
    return values.mean(dim=(1, 2, 3))


def chroma(color: Tensor) -> Tensor:
    return color.square().sum(dim=1, keepdim=True).sqrt()


def contrast(batch: ColorBatch) -> Tensor:
    return batch.lightness.amax(dim=(1, 2, 3)) - batch.lightness.amin(dim=(1, 2, 3))


WRONG: dict[str, Callable[[ColorBatch], Tensor]] = {
    "shape": lambda batch: error(batch).square().mean(),
    "finite value": lambda batch: mean(error(batch).square()) / 0,
    "repeatable": lambda batch: mean(error(batch).square() * torch.rand_like(error(batch))),
    "input left alone": lambda batch: mean(batch.preds.detach().mul_(0.5)) + mean(error(batch).square()),
    "zero at target": lambda batch: mean(error(batch).square()) + 0.1,
    "gray costs more": lambda batch: -mean(error(batch).square()),
    "gradient at equality": lambda batch: torch.linalg.vector_norm(error(batch), dim=(1, 2, 3)).sqrt(),
    "gradient at no color": lambda batch: (mean(chroma(batch.preds)) - mean(chroma(batch.target))).square(),
    "gradient on black": lambda batch: mean(error(batch).square() * batch.preds_rgb.clamp(min=0).sqrt()),
    "gradient on gray": lambda batch: mean(error(batch).square()) / contrast(batch),
    "gradient on white": lambda batch: mean(error(batch).square()) / contrast(batch),
    "batch equals singles": lambda batch: mean(error(batch).square()) / batch.target.abs().amax(),
    "precision": lambda batch: mean(error(batch).square()).float(),
    "finite differences": lambda batch: mean(error(batch) * error(batch).detach()),
}
"""Losses that are wrong in one way each, by the name of the check that has to see it; all others may see it, too."""


class Wrong(LossTerm):
    """A loss that is wrong as the name says."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, batch: ColorBatch) -> Tensor:
        return WRONG[self.how](batch)


@pytest.mark.parametrize("how", list(WRONG))
def test_every_check_can_fail(how: str) -> None:
    entry = LossEntry(name="wrong", family="pixel", formula="?", source="?", build=lambda: Wrong(how))
    assert how in failures(entry)
