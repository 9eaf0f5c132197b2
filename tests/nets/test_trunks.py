"""AlexNet and SqueezeNet equal independent implementations, and images are resized as by Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage.data import chelsea
from torch.nn import functional

from chromalab.nets import trunks
from chromalab.nets.trunks import (
    AlexNet,
    SqueezeNet,
    center_square,
    imagenet_normalize,
    load_alexnet,
    load_squeezenet,
    resized_as_pillow,
    with_stored_weights,
)
from chromalab.weights.adding import add_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def images(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_normalization_is_that_of_lpips() -> None:
    """The code of Zhang et al. takes images in [-1, 1], shifts them by (-.030, -.088, -.188) and scales."""
    rgb = images(5, 6).double()
    shift = torch.tensor([-0.030, -0.088, -0.188], dtype=torch.float64)[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(imagenet_normalize(rgb), ((2 * rgb - 1) - shift) / scale)


def test_alexnet_has_the_published_parameters_and_shapes() -> None:
    """2,469,696 parameters; sides of 55, 27 and 13 at 224 px (Krizhevsky 2014, torchvision's single-column form)."""
    network = AlexNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_469_696
    shapes = [tuple(tap.shape[1:]) for tap in network.taps(images(224, 224))]
    assert shapes == [(64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13), (256, 13, 13)]


def test_squeezenet_has_the_published_parameters_and_shapes() -> None:
    """722,496 parameters; release 1.1 pools after layers 1, 4 and 7, rounding up: sides 111, 55, 27, 13 at 224 px."""
    network = SqueezeNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 722_496
    shapes = [tuple(tap.shape[1:]) for tap in network.taps(images(224, 224))]
    assert shapes == [
        (64, 111, 111),
        (128, 55, 55),
        (256, 27, 27),
        (384, 13, 13),
        (384, 13, 13),
        (512, 13, 13),
        (512, 13, 13),
    ]


def test_a_fire_module_concatenates_two_expansions() -> None:
    torch.manual_seed(0)
    network = SqueezeNet()
    state = {name.removeprefix("features.3."): value for name, value in network.state_dict().items()}
    before, after = images(30, 30), network.taps(images(30, 30))
    x = functional.conv2d(imagenet_normalize(before), state["features.0.weight"], state["features.0.bias"], stride=2)
    torch.testing.assert_close(after[0], x.clamp(min=0))
    x = functional.max_pool2d(x.clamp(min=0), 3, stride=2, ceil_mode=True)
    squeezed = functional.conv2d(x, state["squeeze.weight"], state["squeeze.bias"]).clamp(min=0)
    narrow = functional.conv2d(squeezed, state["expand1x1.weight"], state["expand1x1.bias"])
    wide = functional.conv2d(squeezed, state["expand3x3.weight"], state["expand3x3.bias"], padding=1)
    torch.testing.assert_close(network.features[3](x), torch.cat([narrow, wide], dim=1).clamp(min=0))


def test_taps_are_not_changed_by_later_layers() -> None:
    """Layers work in place if possible, but never on a tap."""
    for network in (AlexNet(), SqueezeNet()):
        taps = network.taps(images(40, 40))
        copies: list[Tensor] = []
        x = imagenet_normalize(images(40, 40))
        for place, layer in enumerate(network.features):
            x = layer(x)
            if place in network.tap_layers:
                copies.append(x.clone())
        assert all(torch.equal(tap, copy) for tap, copy in zip(taps, copies, strict=True))


@pytest.mark.parametrize(
    ("name", "load", "first_kernel_row"),
    [
        (
            "alexnet",
            load_alexnet,
            (0.1186, 0.0941, 0.0954, 0.1052, 0.1029, 0.0672, 0.0505, 0.0501, 0.0558, 0.0216, 0.0500),
        ),
        ("squeezenet1_1", load_squeezenet, None),
    ],
)
def test_published_weights_load(
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    load: type[AlexNet],
    first_kernel_row: tuple[float, ...] | None,
) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    add_weights(shared / "data" / "weights" / f"{name}_features.safetensors")
    state = load().state_dict()
    if first_kernel_row is not None:
        assert state["features.0.weight"][0, 0, 0].tolist() == pytest.approx(first_kernel_row, abs=0.6e-4)
    assert all(not tensor.is_meta for tensor in state.values())


def test_a_stored_file_may_contain_more_than_the_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, a stored VGG16 may include its classifier."""
    network = SqueezeNet()
    state = network.state_dict()
    save_file(state | {"classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "whole.safetensors")
    monkeypatch.setattr(trunks, "find_weights", lambda name: tmp_path / "whole.safetensors")
    loaded = with_stored_weights(SqueezeNet, "squeezenet1_1").state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_a_stored_file_that_lacks_a_tensor_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = SqueezeNet().state_dict()
    state.popitem()
    save_file(state, tmp_path / "part.safetensors")
    monkeypatch.setattr(trunks, "find_weights", lambda name: tmp_path / "part.safetensors")
    with pytest.raises(RuntimeError, match="Missing key"):
        with_stored_weights(SqueezeNet, "squeezenet1_1")


@pytest.mark.parametrize(("height", "width"), [(299, 299), (120, 60), (400, 500)])
def test_resized_floats_equal_pillow(height: int, width: int) -> None:
    rgb = (chelsea() / 255).astype(np.float32)
    ours = resized_as_pillow(torch.from_numpy(rgb).permute(2, 0, 1)[None], height, width)[0]
    for channel in range(3):
        image = Image.fromarray(rgb[..., channel])
        theirs = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
        assert np.abs(ours[channel].numpy() - theirs).max() < 1e-4


def test_the_square_is_centered() -> None:
    rgb = torch.zeros(1, 3, 40, 100)
    rgb[..., 30:70] = 1
    assert (center_square(rgb, 20) == 1).all()
    assert center_square(rgb, 40).shape == (1, 3, 40, 40)
    torch.testing.assert_close(center_square(rgb.mT, 20), torch.ones(1, 3, 20, 20))


@pytest.mark.parametrize("side", [224, 120, 283])
def test_resized_squares_of_8_bit_images_equal_pillow(side: int) -> None:
    rgb = chelsea()
    ours = center_square(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255, side)
    height, width = rgb.shape[:2]
    left = (width - height) // 2
    image = Image.fromarray(rgb).crop((left, 0, left + height, height))
    theirs = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
    levels = (ours[0] * 255).round().int().permute(1, 2, 0).numpy()
    assert np.abs(levels - theirs).max() <= 1
    assert (levels != theirs).mean() < 1e-3
