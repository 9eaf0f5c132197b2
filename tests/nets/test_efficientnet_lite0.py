"""EfficientNet-Lite0 against its published accuracy, and against the same network with its batch norms unfolded."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from chromalab.nets.efficientnet_lite0 import (
    TAP_CHANNELS,
    TAP_STRIDES,
    EfficientNetLite0,
    SameConv2d,
    load_efficientnet_lite0,
    same_padding,
)
from chromalab.weights.packaged import load_packaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The published architecture (weights README): repeats, kernel, stride, channels, expansion.
STAGES = (
    (1, 3, 1, 16, 1),
    (2, 3, 2, 24, 6),
    (2, 5, 2, 40, 6),
    (3, 3, 2, 80, 6),
    (3, 5, 1, 112, 6),
    (4, 5, 2, 192, 6),
    (1, 3, 1, 320, 6),
)


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return load_efficientnet_lite0(classifier=True).requires_grad_(False)


class UnfoldedLite0(nn.Module):
    """The network written anew from its description, with nn.BatchNorm2d and explicit padding."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.state = state

    def convolution(self, x: Tensor, name: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = self.state[f"{name}.weight"]
        x = functional.conv2d(pad_same(x, kernel.shape[-1], stride), kernel, stride=stride, groups=groups)
        batch_norm = nn.BatchNorm2d(kernel.shape[0], eps=1e-3).eval()
        batch_norm.load_state_dict(
            {key.removeprefix(f"{norm}."): value for key, value in self.state.items() if key.startswith(f"{norm}.")},
        )
        normed: Tensor = batch_norm(x)
        return normed

    def taps(self, rgb: Tensor) -> list[Tensor]:
        x = functional.relu6(self.convolution((255 * rgb - 127) / 128, "_conv_stem", "_bn0", stride=2))
        outputs = []
        for name, stride, expansion in blocks():
            y = x
            if expansion > 1:
                y = functional.relu6(self.convolution(y, f"{name}._expand_conv", f"{name}._bn0"))
            y = functional.relu6(
                self.convolution(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, groups=y.shape[1])
            )
            y = self.convolution(y, f"{name}._project_conv", f"{name}._bn2")
            x = x + y if x.shape == y.shape else y
            outputs.append(x)
        return [outputs[block] for block in (0, 2, 4, 10, 15)]

    def forward(self, rgb: Tensor) -> Tensor:
        features = functional.relu6(self.convolution(self.taps(rgb)[-1], "_conv_head", "_bn1"))
        return functional.linear(features.mean(dim=(2, 3)), self.state["_fc.weight"], self.state["_fc.bias"])


def blocks() -> Iterator[tuple[str, int, int]]:
    index = 0
    for repeats, _, stride, _, expansion in STAGES:
        for repeat in range(repeats):
            yield f"_blocks.{index}", stride if repeat == 0 else 1, expansion
            index += 1


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """SAME as TensorFlow's documentation states it for one axis: before = total // 2, after = the rest."""
    before_after = []
    for size in (x.shape[3], x.shape[2]):
        total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
        before_after += [total // 2, total - total // 2]
    return functional.pad(x, before_after)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (75, 50), (33, 1)])
def test_folded_network_equals_the_unfolded_one(network: EfficientNetLite0, height: int, width: int) -> None:
    rgb = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    unfolded = UnfoldedLite0(load_packaged("efficientnet_lite0"))
    with torch.no_grad():
        expected_taps, expected_logits = unfolded.taps(rgb), unfolded(rgb)
    for ours, theirs in zip(network.taps(rgb), expected_taps, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    torch.testing.assert_close(network(rgb), expected_logits, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (1, 1), (2, 3), (31, 65), (100, 37)])
def test_taps_have_the_stated_shapes_at_any_size(network: EfficientNetLite0, height: int, width: int) -> None:
    taps = network.taps(torch.rand(1, 3, height, width))
    expected = [
        (1, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(TAP_CHANNELS, TAP_STRIDES, strict=True)
    ]
    assert [tuple(tap.shape) for tap in taps] == expected
    assert all(bool(tap.isfinite().all()) for tap in taps)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 8), (8, 7), (9, 9), (1, 2), (1, 1)])
def test_same_convolution_pads_as_tensorflow_does(kernel: int, stride: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    convolution = SameConv2d(4, 6, kernel_size=kernel, stride=stride, groups=2)
    x = torch.randn(2, 4, height, width)
    expected = functional.conv2d(
        pad_same(x, kernel, stride), convolution.weight, convolution.bias, stride=stride, groups=2
    )
    torch.testing.assert_close(convolution(x), expected)
    assert same_padding(height, kernel, stride) == pad_same(x, kernel, stride).shape[2] - height


def test_the_whole_classifier_has_as_many_parameters_as_published_less_the_batch_norms() -> None:
    published = load_packaged("efficientnet_lite0")
    kernels = {name: value for name, value in published.items() if value.ndim > 1}
    biases = sum(kernel.shape[0] for kernel in kernels.values())  # one bias each: a norm's shift, or the classifier's
    count = sum(parameter.numel() for parameter in load_efficientnet_lite0(classifier=True).parameters())
    assert count == sum(kernel.numel() for kernel in kernels.values()) + biases
    assert 4.5e6 < count < 4.7e6  # "4.7 M parameters" with two numbers to each norm's output


def test_loading_draws_no_random_numbers_and_leaves_parameters_trainable() -> None:
    before = torch.get_rng_state()
    trunk = load_efficientnet_lite0()
    assert torch.equal(before, torch.get_rng_state())
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in trunk.parameters())
    assert trunk.classifier is None


def test_gradient_reaches_every_parameter_and_the_picture() -> None:
    trunk = load_efficientnet_lite0()
    rgb = torch.rand(1, 3, 40, 40, requires_grad=True)
    torch.stack([tap.square().mean() for tap in trunk.taps(rgb)]).sum().backward()
    assert rgb.grad is not None
    assert bool(rgb.grad.abs().sum() > 0)
    assert all(parameter.grad is not None for parameter in trunk.parameters())


def test_a_trunk_without_classifier_says_so() -> None:
    with pytest.raises(RuntimeError, match="classifier=True"):
        EfficientNetLite0()(torch.rand(1, 3, 32, 32))


@pytest.mark.slow
def test_accuracy_on_imagenet_photos_is_the_published_one(network: EfficientNetLite0, shared: Path) -> None:
    """Published for these 400 photos: top-1 .818, top-5 .95; .635 with luma in all three channels."""
    photos, labels = imagenet_photos(shared / "data", count=400)
    luma = (photos * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    with torch.inference_mode():
        colour = torch.cat([network(batch) for batch in photos.split(50)])
        grey = torch.cat([network(batch.expand(-1, 3, -1, -1)) for batch in luma.split(50)])
    assert accuracy(colour, labels, top=1) == pytest.approx(0.818, abs=0.0026)  # within one photo
    assert accuracy(colour, labels, top=5) == pytest.approx(0.95, abs=0.0026)
    assert accuracy(grey, labels, top=1) == pytest.approx(0.635, abs=0.0026)


def imagenet_photos(data: Path, *, count: int) -> tuple[Tensor, Tensor]:
    """Return the first photos as (count, 3, 224, 224): centre square, Pillow's bicubic; and their class indices."""
    with (data / "weights" / "imagenet_classes.csv").open(newline="") as file:
        classes = {row["wnid"]: int(row["index"]) for row in csv.DictReader(file)}
    with (data / "photos" / "index.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("imagenet/")][:count]
    photos = torch.stack([centre_square(data / "photos" / row["file"]) for row in rows])
    return photos, torch.tensor([classes[row["source_name"].partition("_")[0]] for row in rows])


def centre_square(path: Path) -> Tensor:
    with Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side))
        pixels = np.array(square.resize((224, 224), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 255


def accuracy(logits: Tensor, labels: Tensor, *, top: int) -> float:
    hits = (logits.topk(top).indices == labels[:, None]).any(dim=1)
    return float(hits.double().mean())
