"""Feature and style losses as published code has them, written again in NumPy, and LPIPS as a term."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import kornia.losses
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from safetensors.torch import save_file
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError, MissingWeightsError
from chromalab.functional.ssim import C1
from chromalab.functional.tensors import ImageTooSmallError
from chromalab.losses import perceptual
from chromalab.losses.base import ColorBatch, LossTerm
from chromalab.losses.compose import build
from chromalab.losses.contract import check_loss
from chromalab.losses.perceptual import SSIM, FeatureDistance, MultiScaleSSIM
from chromalab.losses.registry import LOSSES
from chromalab.nets.efficientnet_lite import EfficientNetLite, load_efficientnet_lite0
from chromalab.nets.trunks import Trunk, load_alexnet, load_squeezenet
from chromalab.nets.vgg16 import CONVOLUTIONS, VGG16, VGG16BN, load_vgg16
from chromalab.weights.adding import add_weights
from tests.functional.contextual_reference import numpy_contextual_loss
from tests.nets.vgg_reference import Array, numpy_vgg16, random_statistics

DDCOLOR = "5*vgg_feature(network=vgg16_bn, at=conv, distance=l1, w1_1=0.0625, w2_1=0.125, w3_1=0.25, w4_1=0.5, w5_1=1)"
DEOLDIFY = "vgg_feature(network=vgg16_bn, distance=l1, w3_3=20, w4_3=70, w5_3=10)"
BIGCOLOR = "0.2*vgg_feature(w1_1=0.25, w1_2=0.25, w3_2=0.25, w4_2=0.25)"


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Tensor]]:
    """Small random networks in the place of the published ones, by their weights."""
    states = {}
    for kind, network in _KINDS.items():
        start = network(width=0.125, generator=torch.Generator().manual_seed(0))
        states[kind] = random_statistics(start.state_dict(), 1)
        monkeypatch.setitem(perceptual._NETWORKS, kind, partial(small, kind, states[kind]))
    return states


_KINDS: dict[str, type[VGG16 | VGG16BN]] = {"vgg16": VGG16, "vgg16_bn": VGG16BN}


def small(kind: str, state: dict[str, Tensor]) -> VGG16 | VGG16BN:
    network = _KINDS[kind](width=0.125)
    network.load_state_dict(state)
    return network


def batch(count: int = 2, side: int = 32) -> ColorBatch:
    """Predictions in the `rgb` space, which the loss uses unchanged."""
    generator = torch.Generator().manual_seed(2)
    preds, target = (torch.rand(count, 3, side, side, generator=generator, dtype=torch.float64) for _ in range(2))
    return ColorBatch.of(SPACES["rgb"], preds, target)


def evaluate(formula: str) -> Tensor:
    objective = build(formula).double()
    values = objective(batch())
    (name,) = values
    total: Tensor = objective.weights[name] * values[name]
    return total


def layers(state: dict[str, Tensor]) -> tuple[dict[str, Array], dict[str, Array]]:
    given = batch()
    return numpy_vgg16(state, given.preds_rgb), numpy_vgg16(state, given.target_rgb)


def squares(a: Array, b: Array) -> Array:
    return np.asarray(((a - b) ** 2).mean(axis=(1, 2, 3)))


def absolutes(a: Array, b: Array) -> Array:
    return np.asarray(np.abs(a - b).mean(axis=(1, 2, 3)))


def test_the_default_is_johnsons_feature_reconstruction_loss(networks: dict[str, dict[str, Tensor]]) -> None:
    """Johnson et al. 2016, eq. 2 and section 4.1: ||f(preds) - f(target)||^2 / (C H W) at relu2_2 of VGG16."""
    preds, target = layers(networks["vgg16"])
    difference = preds["relu2_2"] - target["relu2_2"]
    expected = [np.linalg.norm(one) ** 2 / one.size for one in difference]
    torch.testing.assert_close(evaluate("vgg_feature"), torch.tensor(expected))
    torch.testing.assert_close(evaluate("vgg_feature(w2_2=1)"), torch.tensor(expected))


def test_the_default_style_is_johnsons(networks: dict[str, dict[str, Tensor]]) -> None:
    """Eq. 3 and 4 at relu1_2, 2_2, 3_3 and 4_3."""
    preds, target = layers(networks["vgg16"])
    expected = np.zeros(2)
    for layer in ("relu1_2", "relu2_2", "relu3_3", "relu4_3"):
        for image in range(2):
            grams = []
            for features in (preds[layer][image], target[layer][image]):
                flat = features.reshape(len(features), -1)
                grams.append(flat @ flat.T / features.size)
            expected[image] += np.linalg.norm(grams[0] - grams[1], ord="fro") ** 2
    torch.testing.assert_close(evaluate("style"), torch.from_numpy(expected))


def test_gatys_style_is_johnsons_at_a_quarter(networks: dict[str, dict[str, Tensor]]) -> None:
    """Gatys et al. 2016, eq. 3 to 5, over five layers with w_l = 1/5: E_l = sum (G - A)^2 / (4 N^2 M^2)."""
    preds, target = layers(networks["vgg16"])
    expected = np.zeros(2)
    for layer in ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"):
        count, places = preds[layer].shape[1], preds[layer][0, 0].size
        g, a = (np.einsum("bihw,bjhw->bij", side[layer], side[layer]) for side in (preds, target))
        expected += ((g - a) ** 2).sum(axis=(1, 2)) / (4 * count**2 * places**2) / 5
    formula = "style(w1_1=0.05, w2_1=0.05, w3_1=0.05, w4_1=0.05, w5_1=0.05)"
    torch.testing.assert_close(evaluate(formula), torch.from_numpy(expected))


def test_ddcolors_perceptual_loss(networks: dict[str, dict[str, Tensor]]) -> None:
    """BasicSR's PerceptualLoss: nn.L1Loss at `conv1_1` to `conv5_1`, which it reads before the normalization."""
    preds, target = layers(networks["vgg16_bn"])
    weights = {"conv1_1": 0.0625, "conv2_1": 0.125, "conv3_1": 0.25, "conv4_1": 0.5, "conv5_1": 1.0}
    expected = 5 * sum(weight * absolutes(preds[layer], target[layer]) for layer, weight in weights.items())
    torch.testing.assert_close(evaluate(DDCOLOR), torch.as_tensor(expected))


def test_deoldifys_feature_loss(networks: dict[str, dict[str, Tensor]]) -> None:
    """L1 before the third, fourth and fifth pooling, weights 20, 70 and 10; without its L1 of pixels."""
    preds, target = layers(networks["vgg16_bn"])
    weights = {"relu3_3": 20, "relu4_3": 70, "relu5_3": 10}
    expected = sum(weight * absolutes(preds[layer], target[layer]) for layer, weight in weights.items())
    torch.testing.assert_close(evaluate(DEOLDIFY), torch.as_tensor(expected))


def test_bigcolors_perceptual_loss(networks: dict[str, dict[str, Tensor]]) -> None:
    """VGG16Perceptual collects layers 1, 2, 13 and 20; those work in place, so layer 3 changes what 2 gave."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
    chain = list(small("vgg16", networks["vgg16"]).double().features.children())
    collected = []
    for rgb in (batch().preds_rgb, batch().target_rgb):
        x, found = (rgb - mean[:, None, None]) / std[:, None, None], []
        with torch.no_grad():
            for place, layer in enumerate(chain[:21]):
                x = layer(x)
                if place in {1, 2, 13, 20}:
                    found.append(x)
        collected.append(found)
    expected = sum((a - b).square().mean(dim=(1, 2, 3)) for a, b in zip(*collected, strict=True))
    torch.testing.assert_close(evaluate(BIGCOLOR), 0.2 * torch.as_tensor(expected) / 4)


@pytest.mark.slow
def test_squares_at_every_layer_and_output(networks: dict[str, dict[str, Tensor]]) -> None:
    for network, at in (("vgg16", "conv"), ("vgg16", "relu"), ("vgg16_bn", "bn")):
        preds, target = layers(networks[network])
        for index, layer in enumerate(CONVOLUTIONS):
            expected = index * 0.5 * squares(preds[at + layer], target[at + layer])
            if index:
                formula = f"vgg_feature(network={network}, at={at}, w{layer}={index * 0.5})"
                torch.testing.assert_close(evaluate(formula), torch.from_numpy(expected))


@pytest.mark.parametrize("loss", ["vgg_feature", "style"])
def test_invalid_parameters_are_refused(loss: str, networks: dict[str, dict[str, Tensor]]) -> None:
    with pytest.raises(ConfigError, match=f"at=bn of {loss}: vgg16 has no batch normalization; use network=vgg16_bn"):
        build(f"{loss}(at=bn)")
    with pytest.raises(ConfigError, match=f"{loss}: every layer has weight 0"):
        build(f"{loss}(w1_1=0)")
    with pytest.raises(ConfigError, match=r"unknown parameter 'w1_3'"):
        build(f"{loss}(w1_3=1)")


@pytest.mark.parametrize("loss", ["vgg_feature", "style"])
def test_stated_defaults_are_those_that_are_built(loss: str, networks: dict[str, dict[str, Tensor]]) -> None:
    stated = {name: parameter.default for name, parameter in LOSSES[loss].parameters.items()}
    default, written = (LOSSES[loss].build(**given).double()(batch()) for given in ({}, stated))
    torch.testing.assert_close(default, written)


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["vgg_feature", "style", DDCOLOR, DEOLDIFY, BIGCOLOR, "style(network=vgg16_bn)"])
def test_the_contract_holds_with_other_parameters(formula: str, networks: dict[str, dict[str, Tensor]]) -> None:
    (spec,) = build(formula).specs
    checks = check_loss(LOSSES[spec.name], parameters=dict(spec.parameters))
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.passed]


def test_the_network_is_named_and_kept_in_evaluation_mode(networks: dict[str, dict[str, Tensor]]) -> None:
    objective = build(DDCOLOR)
    assert objective.networks == ["vgg16_bn"]
    assert build("vgg_feature + style").networks == ["vgg16"]
    term = objective.train().term("vgg_feature")
    assert isinstance(term, FeatureDistance)
    assert term.training
    assert not term.distance.training
    assert not any(parameter.requires_grad for parameter in term.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "smallest_px"), [("lpips_vgg", 16), ("lpips_alex", 31), ("lpips_squeeze", 17)])
def test_lpips_refuses_images_below_its_smallest_size(loss: str, smallest_px: int, weights: Path) -> None:
    objective = build(loss)
    assert objective.smallest_px == smallest_px
    rgb = torch.rand(1, 3, smallest_px, smallest_px, generator=torch.Generator().manual_seed(0))
    value = objective(ColorBatch.of(SPACES["rgb"], rgb, 1 - rgb))[loss]
    assert value.item() > 0


@pytest.fixture
def weights(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with AlexNet, SqueezeNet, and a random VGG16."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    for name in ("alexnet", "squeezenet1_1"):
        add_weights(shared / "data" / "weights" / f"{name}_features.safetensors")
    save_file(VGG16(generator=torch.Generator().manual_seed(0)).state_dict(), tmp_path / "vgg16.safetensors")
    add_weights(tmp_path / "vgg16.safetensors")
    return tmp_path / "weights"


def test_weights_that_are_not_there_are_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="weights fetch vgg16`"):
        build("style")
    with pytest.raises(MissingWeightsError, match="weights fetch vgg16_bn`"):
        build(DDCOLOR)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "tap", "load"),
    [
        ("efficientnet_lite0", 3, load_efficientnet_lite0),
        ("alexnet", 2, load_alexnet),
        ("squeezenet1_1", 3, load_squeezenet),
        ("vgg16", 3, load_vgg16),
    ],
)
@pytest.mark.usefixtures("weights")
def test_contextual_compares_the_features_of_one_tap(
    network: str, tap: int, load: Callable[[], Trunk | EfficientNetLite]
) -> None:
    given = batch()
    trunk = load().double()
    x, y = (trunk.taps(rgb)[tap - 1].flatten(2).detach().numpy() for rgb in (given.preds_rgb, given.target_rgb))
    expected = [numpy_contextual_loss(a, b, 0.2) for a, b in zip(x, y, strict=True)]
    objective = build(f"contextual(network={network}, tap={tap}, bandwidth=0.2)").double()
    np.testing.assert_allclose(objective(given)["contextual"].detach().numpy(), expected, rtol=1e-6)
    assert objective.networks == [network]


@pytest.mark.slow
def test_contextual_costs_a_perfect_prediction_little_and_gray_much() -> None:
    term = build("contextual(positions=10)").double().term("contextual")
    target = batch(side=64).target_rgb
    gray = target.mean(dim=1, keepdim=True).expand_as(target)
    perfect, worse = (term(ColorBatch.of(SPACES["rgb"], preds, target)) for preds in (target, gray))
    assert (perfect < 1e-3).all()
    assert (worse > perfect + 0.1).all()


def test_contextual_needs_a_tap_that_the_network_has() -> None:
    with pytest.raises(ConfigError, match="tap=6 of contextual: efficientnet_lite0 has only 5 taps"):
        build("contextual(tap=6)")


TERMS = pytest.mark.parametrize("term", [SSIM(), MultiScaleSSIM(2)], ids=["ssim", "ms_ssim"])


def images(count: int, side: int, *, seed: int = 0) -> torch.Tensor:
    """Return smooth images with a little noise, so that their structure is much the same at every scale."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator, dtype=torch.float64)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


def structure_batch(preds: torch.Tensor, target: torch.Tensor) -> ColorBatch:
    return ColorBatch.of(SPACES["rgb"], preds, target)


def test_ssim_is_twice_kornias_loss_inside() -> None:
    preds, target = images(2, 40), images(2, 40, seed=1)
    theirs = kornia.losses.ssim_loss(preds, target, 11, reduction="none", padding="valid").mean(dim=(1, 2, 3))
    torch.testing.assert_close(SSIM()(structure_batch(preds, target)), 2 * theirs)


@pytest.mark.slow
def test_ms_ssim_is_torchmetrics_but_for_its_border() -> None:
    """Of gray images, for it averages over channels first; its coarsest scale also sees a mirrored border."""
    grey = images(2, 192).mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    noisy = grey + 0.1 * images(2, 192, seed=1)[:, :1]
    theirs = multiscale_structural_similarity_index_measure(noisy, grey, data_range=1.0, reduction="none")
    torch.testing.assert_close(1 - MultiScaleSSIM()(structure_batch(noisy, grey)), theirs, rtol=0, atol=2e-3)


@TERMS
def test_black_against_white_costs_nearly_1(term: LossTerm) -> None:
    black, white = torch.zeros(1, 3, 24, 24), torch.ones(1, 3, 24, 24)
    luminance = C1 / (1 + C1)
    expected = luminance if isinstance(term, SSIM) else luminance ** (0.2856 / (0.0448 + 0.2856))
    assert term(structure_batch(black, white)).item() == pytest.approx(1 - expected, abs=1e-5)


@TERMS
@pytest.mark.parametrize("space", list(SPACES))
def test_the_loss_of_a_perfect_prediction_is_rounding_error(space: str, term: LossTerm) -> None:
    target = images(2, 32).float()
    assert term(ColorBatch.of(SPACES[space], target, target)).abs().max() < 2e-5


@TERMS
def test_colors_beyond_the_gamut_are_not_clipped(term: LossTerm) -> None:
    target = images(1, 32)
    preds = (target + 0.5).requires_grad_()
    value = term(structure_batch(preds, target))
    assert value.item() > term(structure_batch(preds.detach().clamp(0, 1), target)).item() * 0.5
    value.sum().backward()
    assert preds.grad is not None
    assert (preds.grad[preds > 1] != 0).all()


def test_images_below_the_smallest_size_are_refused() -> None:
    assert SSIM().smallest_px == 11
    assert [MultiScaleSSIM(scales).smallest_px for scales in range(1, 6)] == [11, 21, 41, 81, 161]
    small = torch.rand(1, 3, 160, 200)
    with pytest.raises(ImageTooSmallError, match="161 px; an image has 200x160"):
        MultiScaleSSIM()(structure_batch(small, small))


@TERMS
def test_gradients_are_those_of_finite_differences(term: LossTerm) -> None:
    target = images(1, 22)
    preds = (target + 0.05 * images(1, 22, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: term(structure_batch(x, target)), preds, fast_mode=True)
