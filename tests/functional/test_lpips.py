"""LPIPS against its authors' printed numbers, torchmetrics, and a reference written from the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from chromalab.core.errors import MissingWeightsError
from chromalab.functional.lpips import LPIPS
from chromalab.functional.pairs import PictureTooSmallError
from chromalab.nets.alexnet import AlexNet
from chromalab.nets.squeezenet import SqueezeNet
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.adding import add_weights
from tests.nets.vgg_reference import numpy_vgg16

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


def pictures(count: int, side: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def example(shared: Path, name: str) -> Tensor:
    with Image.open(shared / "data" / "weights" / "lpips_example" / f"{name}.png") as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255


@pytest.mark.usefixtures("_added")
@pytest.mark.parametrize(
    ("trunk", "expected"), [("alex", (0.7219, 0.1376)), ("squeeze", (0.7110, 0.1479))], ids=["alex", "squeeze"]
)
def test_the_authors_example_pictures(
    shared: Path, trunk: Literal["alex", "squeeze"], expected: tuple[float, float]
) -> None:
    """Known to four digits; the authors' example prints 0.722 and 0.138 for AlexNet."""
    reference = example(shared, "ex_ref")
    lpips = LPIPS(trunk)
    values = [lpips(reference, example(shared, name)).item() for name in ("ex_p0", "ex_p1")]
    assert values == pytest.approx(expected, abs=0.6e-4)


@pytest.mark.usefixtures("_added")
def test_the_example_in_the_documentation_of_torchmetrics() -> None:
    """It prints 0.1005 for SqueezeNet; its pictures are in [-1, 1]."""
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
    first, second = pictures(3, 75, seed=1), pictures(3, 75, seed=2)
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


def test_vgg_equals_a_reference_written_from_the_paper() -> None:
    network = random_trunk("vgg")
    first, second = pictures(2, 35, seed=3, dtype=torch.float64), pictures(2, 35, seed=4, dtype=torch.float64)
    lpips = LPIPS("vgg", network).double()
    torch.testing.assert_close(lpips(first, second), paper_vgg(network.state_dict(), first, second))


def paper_vgg(state: dict[str, Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Zhang et al. 2018, section 3 and eq. 1, over NumPy's VGG16; all taps by hand, with weights from their file."""
    linear = torch.load(torchmetrics_file("vgg"), weights_only=True, map_location="cpu")
    layers = [numpy_vgg16(state, picture) for picture in (first, second)]
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


@pytest.mark.parametrize("trunk", TRUNKS)
def test_gradient_equals_finite_differences(trunk: Literal["vgg", "alex", "squeeze"]) -> None:
    """Along a random direction of both pictures in float64, with a step so small that it meets no ReLU's kink."""
    lpips = LPIPS(trunk, random_trunk(trunk)).double()
    side = lpips.smallest_px
    pair = [pictures(1, side, seed=seed, dtype=torch.float64).requires_grad_() for seed in (5, 6)]
    gradients = torch.autograd.grad(lpips(*pair).sum(), pair)
    generator = torch.Generator().manual_seed(7)
    directions = [torch.randn(1, 3, side, side, generator=generator, dtype=torch.float64) for _ in pair]
    step = 1e-9
    with torch.no_grad():
        ahead, behind = (
            lpips(*(picture + sign * step * direction for picture, direction in zip(pair, directions, strict=True)))
            for sign in (1, -1)
        )
    along = sum((gradient * direction).sum().item() for gradient, direction in zip(gradients, directions, strict=True))
    assert along == pytest.approx((ahead - behind).item() / (2 * step), rel=1e-5)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_equal_pictures_have_distance_zero_and_a_finite_gradient(
    trunk: Literal["vgg", "alex", "squeeze"], grey: float
) -> None:
    lpips = LPIPS(trunk, random_trunk(trunk))
    preds = torch.full((2, 3, 40, 40), grey, requires_grad=True)
    distance = lpips(preds, preds.detach().clone())
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(2))
    assert preds.grad is not None
    assert bool(preds.grad.isfinite().all())


@pytest.mark.parametrize(("trunk", "smallest"), [("vgg", 16), ("alex", 31), ("squeeze", 17)])
def test_pictures_below_the_smallest_size_are_refused(trunk: Literal["vgg", "alex", "squeeze"], smallest: int) -> None:
    lpips = LPIPS(trunk, random_trunk(trunk))
    assert lpips(pictures(1, smallest), pictures(1, smallest, seed=1)).item() > 0
    narrow = pictures(1, 64)[..., : smallest - 1]
    with pytest.raises(PictureTooSmallError, match=f"at least {smallest} px.*{smallest - 1}x64"):
        lpips(narrow, narrow)


@pytest.mark.parametrize("trunk", ["alex", "squeeze"])
def test_the_stated_smallest_size_is_where_the_strides_end(trunk: str) -> None:
    network = random_trunk(trunk)
    smallest = LPIPS(trunk, network).smallest_px  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        network.taps(pictures(1, smallest - 1))


def test_a_batch_is_its_singles() -> None:
    lpips = LPIPS("squeeze", random_trunk("squeeze"))
    first, second = pictures(3, 48, seed=8), pictures(3, 48, seed=9)
    singles = [lpips(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(lpips(first, second), torch.cat(singles), rtol=1e-4, atol=1e-6)


def test_the_trunk_is_frozen_and_the_weights_are_not_negative() -> None:
    lpips = LPIPS("alex", random_trunk("alex"))
    assert not any(parameter.requires_grad for parameter in lpips.parameters())
    assert [len(weight) for weight in lpips.channel_weights] == [64, 192, 384, 256, 256]
    assert all(bool((weight >= 0).all()) for weight in lpips.channel_weights)


def test_pictures_of_different_sizes_are_refused() -> None:
    lpips = LPIPS("squeeze", random_trunk("squeeze"))
    with pytest.raises(ValueError, match="one shape"):
        lpips(pictures(1, 40), pictures(1, 41))


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    with pytest.raises(
        MissingWeightsError,
        match=r"weights fetch vgg16.*https://download\.pytorch\.org/.*weights add vgg16-397923af\.pth",
    ):
        LPIPS("vgg")
