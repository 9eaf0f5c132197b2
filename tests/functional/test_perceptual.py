"""LPIPS against its authors' printed numbers, torchmetrics, and a reference written from the paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from chromalab.core.errors import MissingWeightsError
from chromalab.functional.perceptual import LPIPS, Lite0Distance, VGGDistance
from chromalab.functional.tensors import ImageTooSmallError
from chromalab.nets.efficientnet_lite import EfficientNetLite, load_efficientnet_lite0
from chromalab.nets.trunks import AlexNet, SqueezeNet, Trunk
from chromalab.nets.vgg16 import VGG16, VGG16BN, layer_places
from chromalab.weights.adding import add_weights
from tests.nets.vgg_reference import Array, numpy_vgg16, random_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chromalab.nets.trunks import Trunk


TRUNKS: tuple[Literal["vgg", "alex", "squeeze"], ...] = ("vgg", "alex", "squeeze")


@pytest.fixture(scope="module")
def _added(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Add the ImageNet trunks of AlexNet and SqueezeNet to a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMALAB_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        for name in ("alexnet", "squeezenet1_1"):
            add_weights(shared / "data" / "weights" / f"{name}_features.safetensors")
        yield


def random_trunk(name: str) -> Trunk:
    generator = torch.Generator().manual_seed(0)
    if name == "vgg":
        return VGG16(generator=generator)
    trunk: Trunk = AlexNet() if name == "alex" else SqueezeNet()
    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
    return trunk


def images(count: int, side: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def example(shared: Path, name: str) -> Tensor:
    with Image.open(shared / "data" / "weights" / "lpips_example" / f"{name}.png") as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255


@pytest.mark.usefixtures("_added")
@pytest.mark.parametrize(
    ("trunk", "expected"), [("alex", (0.7219, 0.1376)), ("squeeze", (0.7110, 0.1479))], ids=["alex", "squeeze"]
)
def test_the_authors_example_images(
    shared: Path, trunk: Literal["alex", "squeeze"], expected: tuple[float, float]
) -> None:
    """Known to four digits; the authors' example prints 0.722 and 0.138 for AlexNet."""
    reference = example(shared, "ex_ref")
    lpips = LPIPS(trunk)
    values = [lpips(reference, example(shared, name)).item() for name in ("ex_p0", "ex_p1")]
    assert values == pytest.approx(expected, abs=0.6e-4)


@pytest.mark.usefixtures("_added")
def test_the_example_in_the_documentation_of_torchmetrics() -> None:
    """It prints 0.1005 for SqueezeNet; its images are in [-1, 1]."""
    generator = torch.Generator().manual_seed(42)
    first, second = (torch.rand(10, 3, 100, 100, generator=generator) for _ in range(2))
    assert LPIPS("squeeze")(first, second).mean().item() == pytest.approx(0.1005, abs=0.6e-4)


@pytest.mark.slow  # torchmetrics takes seconds to import
@pytest.mark.parametrize("trunk", TRUNKS)
def test_equal_to_torchmetrics_over_the_same_trunk(trunk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.image import lpips as torchmetrics_lpips  # noqa: PLC0415

    network = random_trunk(trunk)
    monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda *_: network.features)
    theirs = torchmetrics_lpips._LPIPS(net=trunk, pnet_rand=True)
    first, second = images(3, 75, seed=1), images(3, 75, seed=2)
    with torch.no_grad():
        expected = theirs(first, second, normalize=True).flatten()
    torch.testing.assert_close(LPIPS(trunk, network)(first, second), expected, rtol=1e-4, atol=0)  # type: ignore[arg-type]


@pytest.mark.slow
def test_first_two_vgg_taps_with_the_real_weights_equal_torchmetrics(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchmetrics.functional.image import lpips as torchmetrics_lpips  # noqa: PLC0415

    network = random_trunk("vgg")
    state = load_file(shared / "data" / "weights" / "vgg16_features_to_relu2_2.safetensors")
    assert state["features.0.weight"][0, 0, 0].tolist() == pytest.approx([-0.5537, 0.1427, 0.5290], abs=0.6e-4)
    network.load_state_dict(state, strict=False)
    monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda *_: network.features)
    theirs = torchmetrics_lpips._LPIPS(net="vgg", pnet_rand=True)
    first, second = example(shared, "ex_ref"), example(shared, "ex_p0")
    with torch.no_grad():
        _, per_tap = theirs(first, second, normalize=True, retperlayer=True)
    for expected, ours in zip(per_tap[:2], per_tap_distances(LPIPS("vgg", network), first, second), strict=False):
        assert ours == pytest.approx(expected.item(), rel=1e-4)


def per_tap_distances(lpips: LPIPS, first: Tensor, second: Tensor) -> list[float]:
    """The share of every tap, by taking the other taps' weights away."""
    weights = [weight.clone() for weight in lpips.channel_weights]
    shares = []
    for kept in range(lpips.taps):
        for tap, weight in enumerate(lpips.channel_weights):
            weight.copy_(weights[tap] if tap == kept else torch.zeros_like(weight))
        shares.append(lpips(first, second).item())
    return shares


@pytest.mark.slow
def test_vgg_equals_a_reference_written_from_the_paper() -> None:
    network = random_trunk("vgg")
    first, second = images(2, 35, seed=3, dtype=torch.float64), images(2, 35, seed=4, dtype=torch.float64)
    lpips = LPIPS("vgg", network).double()
    torch.testing.assert_close(lpips(first, second), paper_vgg(network.state_dict(), first, second))


def paper_vgg(state: dict[str, Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Zhang et al. 2018, section 3 and eq. 1, over NumPy's VGG16; all taps by hand, with weights from their file."""
    linear = torch.load(torchmetrics_file("vgg"), weights_only=True, map_location="cpu")
    layers = [numpy_vgg16(state, image) for image in (first, second)]
    distance = np.zeros(len(first))
    for tap, name in enumerate(("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")):
        a, b = (layer[name] / np.linalg.norm(layer[name], axis=1, keepdims=True) for layer in layers)
        weight = linear[f"lin{tap}.model.1.weight"].double().numpy().reshape(-1, 1, 1)
        distance += (weight * (a - b) ** 2).sum(axis=1).mean(axis=(1, 2))
    return torch.from_numpy(distance)


def torchmetrics_file(trunk: str) -> Path:
    """Where the published linear weights are, without importing the package."""
    from importlib.metadata import files  # noqa: PLC0415

    found = next(file for file in files("torchmetrics") or [] if file.name == f"{trunk}.pth")
    return Path(str(found.locate()))


@pytest.mark.slow
@pytest.mark.parametrize("trunk", TRUNKS)
def test_gradient_equals_finite_differences(trunk: Literal["vgg", "alex", "squeeze"]) -> None:
    """Along a random direction of both images in float64, with a step so small that it meets no ReLU's kink."""
    lpips = LPIPS(trunk, random_trunk(trunk)).double()
    side = lpips.smallest_px
    pair = [images(1, side, seed=seed, dtype=torch.float64).requires_grad_() for seed in (5, 6)]
    gradients = torch.autograd.grad(lpips(*pair).sum(), pair)
    generator = torch.Generator().manual_seed(7)
    directions = [torch.randn(1, 3, side, side, generator=generator, dtype=torch.float64) for _ in pair]
    step = 1e-9
    with torch.no_grad():
        ahead, behind = (
            lpips(*(image + sign * step * direction for image, direction in zip(pair, directions, strict=True)))
            for sign in (1, -1)
        )
    along = sum((gradient * direction).sum().item() for gradient, direction in zip(gradients, directions, strict=True))
    assert along == pytest.approx((ahead - behind).item() / (2 * step), rel=1e-5)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_equal_images_have_distance_zero_and_a_finite_gradient(
    trunk: Literal["vgg", "alex", "squeeze"], grey: float
) -> None:
    lpips = LPIPS(trunk, random_trunk(trunk))
    preds = torch.full((2, 3, 40, 40), grey, requires_grad=True)
    distance = lpips(preds, preds.detach().clone())
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(2))
    assert preds.grad is not None
    assert bool(preds.grad.isfinite().all())


@pytest.mark.slow
@pytest.mark.parametrize(("trunk", "smallest"), [("vgg", 16), ("alex", 31), ("squeeze", 17)])
def test_images_below_the_smallest_size_are_refused(trunk: Literal["vgg", "alex", "squeeze"], smallest: int) -> None:
    lpips = LPIPS(trunk, random_trunk(trunk))
    assert lpips(images(1, smallest), images(1, smallest, seed=1)).item() > 0
    narrow = images(1, 64)[..., : smallest - 1]
    with pytest.raises(ImageTooSmallError, match=f"at least {smallest} px.*{smallest - 1}x64"):
        lpips(narrow, narrow)


@pytest.mark.parametrize("trunk", ["alex", "squeeze"])
def test_the_stated_smallest_size_is_where_the_strides_end(trunk: str) -> None:
    network = random_trunk(trunk)
    smallest = LPIPS(trunk, network).smallest_px  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        network.taps(images(1, smallest - 1))


def test_a_batch_is_its_singles() -> None:
    lpips = LPIPS("squeeze", random_trunk("squeeze"))
    first, second = images(3, 48, seed=8), images(3, 48, seed=9)
    singles = [lpips(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(lpips(first, second), torch.cat(singles), rtol=1e-4, atol=1e-6)


def test_the_trunk_is_frozen_and_the_weights_are_not_negative() -> None:
    lpips = LPIPS("alex", random_trunk("alex"))
    assert not any(parameter.requires_grad for parameter in lpips.parameters())
    assert [len(weight) for weight in lpips.channel_weights] == [64, 192, 384, 256, 256]
    assert all(bool((weight >= 0).all()) for weight in lpips.channel_weights)


def test_images_of_different_sizes_are_refused() -> None:
    lpips = LPIPS("squeeze", random_trunk("squeeze"))
    with pytest.raises(ValueError, match="one shape"):
        lpips(images(1, 40), images(1, 41))


def test_missing_weights_name_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    with pytest.raises(
        MissingWeightsError,
        match=r"weights fetch vgg16.*https://download\.pytorch\.org/.*weights add vgg16-397923af\.pth",
    ):
        LPIPS("vgg")


@pytest.fixture(scope="module")
def distance() -> Lite0Distance:
    return Lite0Distance()


def lite0_distance_images(
    count: int, height: int, width: int, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_equal_to_the_definition(distance: Lite0Distance) -> None:
    first, second = lite0_distance_images(2, 70, 50, seed=0), lite0_distance_images(2, 70, 50, seed=1)
    trunk = load_efficientnet_lite0().requires_grad_(requires_grad=False)
    expected = torch.zeros(2)
    for a, b in zip(trunk.taps(first), trunk.taps(second), strict=True):
        cosine = functional.cosine_similarity(a, b, dim=1)
        expected += (2 - 2 * cosine).mean(dim=(1, 2))  # the squared chord between unit vectors
    torch.testing.assert_close(distance(first, second), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (3, 2), (31, 33)])
def test_images_of_any_size_have_finite_values_and_gradients(distance: Lite0Distance, height: int, width: int) -> None:
    preds = lite0_distance_images(1, height, width, seed=4).requires_grad_()
    value = distance(preds, lite0_distance_images(1, height, width, seed=5))
    value.sum().backward()
    assert 0 < value.item() <= 20
    assert preds.grad is not None
    assert bool(preds.grad.isfinite().all())


@pytest.mark.parametrize("grey", [0.0, 127 / 255, 0.5, 1.0])
def test_equal_images_have_distance_and_gradient_zero(distance: Lite0Distance, grey: float) -> None:
    preds = torch.full((2, 3, 40, 40), grey, requires_grad=True)
    value = distance(preds, preds.detach().clone())
    value.sum().backward()
    assert torch.equal(value, torch.zeros(2))
    assert preds.grad is not None
    assert torch.equal(preds.grad, torch.zeros_like(preds))


@pytest.mark.slow
def test_lite0_distance_gradient_equals_finite_differences() -> None:
    """Along a random direction in float64, with a step so small that it meets no kink of ReLU6."""
    distance = Lite0Distance().double()
    preds = lite0_distance_images(1, 20, 24, seed=6, dtype=torch.float64).requires_grad_()
    target = lite0_distance_images(1, 20, 24, seed=7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(distance(preds, target).sum(), preds)
    direction = torch.randn(preds.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    step = 1e-9
    with torch.no_grad():
        slope = (distance(preds + step * direction, target) - distance(preds - step * direction, target)) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-5)


@pytest.mark.slow
def test_lite0_distance_a_batch_is_its_singles(distance: Lite0Distance) -> None:
    first, second = lite0_distance_images(3, 40, 56, seed=9), lite0_distance_images(3, 40, 56, seed=10)
    singles = [distance(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(distance(first, second), torch.cat(singles), rtol=1e-4, atol=1e-5)


def test_the_trunk_is_frozen(distance: Lite0Distance) -> None:
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_lite0_distance_images_of_different_sizes_are_refused(distance: Lite0Distance) -> None:
    with pytest.raises(ValueError, match="one shape"):
        distance(lite0_distance_images(1, 40, 40), lite0_distance_images(2, 40, 40))


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


def vgg_distance_images(seed: int, *, count: int = 2, side: int = 32, dtype: torch.dtype = torch.float64) -> Tensor:
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
    trunk, preds, target = network(name), vgg_distance_images(2), vgg_distance_images(3)
    first, second = (numpy_vgg16(trunk.state_dict(), rgb) for rgb in (preds, target))
    expected = sum(weight * COMPARED[comparison](first[layer], second[layer]) for layer, weight in weights.items())
    distance = VGGDistance(trunk, weights, comparison).double()(preds, target)
    torch.testing.assert_close(distance, torch.as_tensor(expected))


@pytest.mark.slow
@pytest.mark.parametrize("comparison", ["l1", "l2", "gram"])
@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_vgg_distance_gradient_equals_finite_differences(name: str, comparison: str) -> None:
    """Along a random direction of both images, with a step so small that it meets hardly any kink."""
    distance = VGGDistance(network(name), {"conv1_1": 1.0, "relu2_2": 0.5, "conv4_3": 2.0}, comparison).double()
    pair = [vgg_distance_images(seed, count=1).requires_grad_() for seed in (4, 5)]
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
def test_images_of_any_size_are_zero_from_themselves_and_not_from_others(side: int, comparison: str) -> None:
    distance = VGGDistance(network("vgg16"), {"conv1_1": 1.0, "conv5_3": 1.0}, comparison).double()
    preds = vgg_distance_images(7, side=side).requires_grad_()
    same = distance(preds, preds.detach().clone())
    same.sum().backward()
    assert torch.equal(same, torch.zeros(2, dtype=torch.float64))
    assert preds.grad is not None
    assert torch.equal(preds.grad, torch.zeros_like(preds))
    assert bool((distance(preds, vgg_distance_images(8, side=side)) > 0).all())


def test_vgg_distance_a_batch_is_its_singles() -> None:
    distance = VGGDistance(network("vgg16_bn"), {"relu1_2": 1.0, "relu4_3": 1.0}, "gram").double()
    preds, target = vgg_distance_images(9, count=3), vgg_distance_images(10, count=3)
    singles = [distance(a[None], b[None]) for a, b in zip(preds, target, strict=True)]
    torch.testing.assert_close(distance(preds, target), torch.cat(singles))


@pytest.mark.parametrize("comparison", ["l1", "l2", "gram"])
@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_half_precision_stays_in_the_network(name: str, comparison: str) -> None:
    weights = {"conv2_1": 1.0, "relu3_3": 1.0}
    distance = VGGDistance(network(name), weights, comparison)
    preds, target = (vgg_distance_images(seed, dtype=torch.float32) for seed in (11, 12))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = distance(preds, target)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, distance(preds, target), rtol=0.05, atol=0)


def test_vgg_distance_images_of_different_sizes_are_refused() -> None:
    distance = VGGDistance(network("vgg16"), {"relu1_1": 1.0}, "l1")
    with pytest.raises(ValueError, match="one shape"):
        distance(vgg_distance_images(13), vgg_distance_images(14, side=16))


LAYERS = {"relu3_3": 1.0, "conv1_1": 1.0}

DISTANCES: dict[str, tuple[Callable[[], VGGDistance | LPIPS | Lite0Distance], str]] = {
    "vgg16": (lambda: VGGDistance(network("vgg16"), LAYERS, "l2"), "outputs"),
    "vgg16_bn": (lambda: VGGDistance(network("vgg16_bn"), LAYERS, "l2"), "outputs"),
    "lpips": (lambda: LPIPS("alex", AlexNet()), "outputs"),
    "lite0": (lambda: Lite0Distance(EfficientNetLite()), "taps"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTANCES)
def test_the_target_has_no_graph_and_weights_are_frozen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, method = DISTANCES[name]
    distance = build()
    seen: list[list[Tensor]] = []
    look = getattr(distance.trunk, method)

    def spy(*given: object) -> list[Tensor]:
        seen.append(list(look(*given)))
        return seen[-1]

    monkeypatch.setattr(distance.trunk, method, spy)
    preds, target = (vgg_distance_images(seed, side=64, dtype=torch.float32) for seed in (15, 16))
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
        outputs = trunk.outputs(vgg_distance_images(17, dtype=torch.float32).requires_grad_(), places)
    assert len(kept) == 2
    assert outputs[0].requires_grad
