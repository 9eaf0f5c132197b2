"""Distances over layers of VGG16 against NumPy, and what they ask of memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from chromalab.functional.lite0_distance import Lite0Distance
from chromalab.functional.lpips import LPIPS
from chromalab.functional.vgg_distance import VGGDistance
from chromalab.nets.alexnet import AlexNet
from chromalab.nets.efficientnet_lite import EfficientNetLite
from chromalab.nets.trunks import Trunk
from chromalab.nets.vgg16 import VGG16, layer_places
from chromalab.nets.vgg16_bn import VGG16BN
from tests.nets.vgg_reference import Array, numpy_vgg16, random_statistics

COMPARED: dict[str, Callable[[Array, Array], Array]] = {
    "l1": lambda a, b: np.abs(a - b).mean(axis=(1, 2, 3)),
    "l2": lambda a, b: ((a - b) ** 2).mean(axis=(1, 2, 3)),
    "gram": lambda a, b: ((gram(a) - gram(b)) ** 2).sum(axis=(1, 2)),
}


def gram(features: Array) -> Array:
    return np.asarray(np.einsum("bchw,bdhw->bcd", features, features) / features[0].size)


def network(name: str) -> Trunk:
    kind = {"vgg16": VGG16, "vgg16_bn": VGG16BN}[name]
    trunk = kind(width=0.125, generator=torch.Generator().manual_seed(0))
    trunk.load_state_dict(random_statistics(trunk.state_dict(), 1))
    return trunk


def pictures(seed: int, *, count: int = 2, side: int = 32, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("comparison", ["l1", "l2", "gram"])
@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("vgg16", {"relu2_2": 1.0}),
        ("vgg16", {"conv5_3": 2.0, "conv1_1": 0.5, "relu1_1": 3.0, "conv3_2": 0.25}),
        ("vgg16_bn", {"conv1_1": 0.0625, "conv2_1": 0.125, "conv3_1": 0.25, "conv4_1": 0.5, "conv5_1": 1.0}),
        ("vgg16_bn", {"bn1_2": 1.0, "relu3_3": 20.0, "bn4_1": 0.3}),
    ],
)
def test_equal_to_numpy(name: str, weights: dict[str, float], comparison: str) -> None:
    trunk, preds, target = network(name), pictures(2), pictures(3)
    first, second = (numpy_vgg16(trunk.state_dict(), rgb) for rgb in (preds, target))
    expected = sum(weight * COMPARED[comparison](first[layer], second[layer]) for layer, weight in weights.items())
    distance = VGGDistance(trunk, weights, comparison).double()(preds, target)
    torch.testing.assert_close(distance, torch.as_tensor(expected))


@pytest.mark.parametrize("comparison", ["l1", "l2", "gram"])
@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_gradient_equals_finite_differences(name: str, comparison: str) -> None:
    """Along a random direction of both pictures, with a step so small that it meets hardly any kink."""
    distance = VGGDistance(network(name), {"conv1_1": 1.0, "relu2_2": 0.5, "conv4_3": 2.0}, comparison).double()
    pair = [pictures(seed, count=1).requires_grad_() for seed in (4, 5)]
    gradients = torch.autograd.grad(distance(*pair).sum(), pair)
    generator, step = torch.Generator().manual_seed(6), 1e-8
    ways = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in pair]
    with torch.no_grad():
        ahead, behind = (
            distance(*(part + sign * step * way for part, way in zip(pair, ways, strict=True))) for sign in (1, -1)
        )
    along = sum((gradient * way).sum().item() for gradient, way in zip(gradients, ways, strict=True))
    assert along == pytest.approx((ahead - behind).item() / (2 * step), rel=1e-5)


@pytest.mark.parametrize("comparison", ["l1", "l2", "gram"])
@pytest.mark.parametrize("side", [1, 2, 17])
def test_pictures_of_any_size_are_zero_from_themselves_and_not_from_others(side: int, comparison: str) -> None:
    distance = VGGDistance(network("vgg16"), {"conv1_1": 1.0, "conv5_3": 1.0}, comparison).double()
    preds = pictures(7, side=side).requires_grad_()
    same = distance(preds, preds.detach().clone())
    same.sum().backward()
    assert torch.equal(same, torch.zeros(2, dtype=torch.float64))
    assert preds.grad is not None
    assert torch.equal(preds.grad, torch.zeros_like(preds))
    assert bool((distance(preds, pictures(8, side=side)) > 0).all())


def test_a_batch_is_its_singles() -> None:
    distance = VGGDistance(network("vgg16_bn"), {"relu1_2": 1.0, "relu4_3": 1.0}, "gram").double()
    preds, target = pictures(9, count=3), pictures(10, count=3)
    singles = [distance(a[None], b[None]) for a, b in zip(preds, target, strict=True)]
    torch.testing.assert_close(distance(preds, target), torch.cat(singles))


@pytest.mark.parametrize("comparison", ["l1", "l2", "gram"])
@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_half_precision_stays_in_the_network(name: str, comparison: str) -> None:
    weights = {"conv2_1": 1.0, "relu3_3": 1.0}
    distance = VGGDistance(network(name), weights, comparison)
    preds, target = (pictures(seed, dtype=torch.float32) for seed in (11, 12))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = distance(preds, target)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, distance(preds, target), rtol=0.05, atol=0)


def test_pictures_of_different_sizes_are_refused() -> None:
    distance = VGGDistance(network("vgg16"), {"relu1_1": 1.0}, "l1")
    with pytest.raises(ValueError, match="one shape"):
        distance(pictures(13), pictures(14, side=16))


LAYERS = {"relu3_3": 1.0, "conv1_1": 1.0}

DISTANCES: dict[str, tuple[Callable[[], VGGDistance | LPIPS | Lite0Distance], str]] = {
    "vgg16": (lambda: VGGDistance(network("vgg16"), LAYERS, "l2"), "outputs"),
    "vgg16_bn": (lambda: VGGDistance(network("vgg16_bn"), LAYERS, "l2"), "outputs"),
    "lpips": (lambda: LPIPS("alex", AlexNet()), "outputs"),
    "lite0": (lambda: Lite0Distance(EfficientNetLite()), "taps"),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_the_target_is_seen_without_a_graph_and_weights_are_frozen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, method = DISTANCES[name]
    distance = build()
    seen: list[list[Tensor]] = []
    look = getattr(distance.trunk, method)

    def spy(*given: object) -> list[Tensor]:
        seen.append(list(look(*given)))
        return seen[-1]

    monkeypatch.setattr(distance.trunk, method, spy)
    preds, target = (pictures(seed, side=64, dtype=torch.float32) for seed in (15, 16))
    distance(preds.requires_grad_(), target).sum().backward()
    assert preds.grad is not None
    assert [all(tap.requires_grad for tap in taps) for taps in seen] == [True, False]
    assert not any(tap.requires_grad for tap in seen[1])
    assert not any(parameter.requires_grad for parameter in distance.parameters())


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_the_graph_holds_one_map_for_each_rectifier(name: str) -> None:
    """Convolutions work without keeping what they gave: rectifiers work in place, normalization is folded in."""
    trunk = network(name).requires_grad_(requires_grad=False)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.ndim == 4 and tensor.shape[1:] == (8, 32, 32):
            kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    places = [layer_places(trunk.features)["relu1_2"]]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = trunk.outputs(pictures(17, dtype=torch.float32).requires_grad_(), places)
    assert len(kept) == 2
    assert outputs[0].requires_grad
