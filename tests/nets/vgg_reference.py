"""VGG16 in NumPy, double precision, written from Simonyan and Zisserman 2015 and Ioffe and Szegedy 2015."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

PLACES = {
    False: (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    True: (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40),
}
"""Indices of the convolutions in torchvision's `vgg16` (False) and `vgg16_bn` (True), from their published files."""

COLUMN_D = (("1_1", "1_2"), ("2_1", "2_2"), ("3_1", "3_2", "3_3"), ("4_1", "4_2", "4_3"), ("5_1", "5_2", "5_3"))


def numpy_vgg16(state: Mapping[str, Tensor], rgb: Tensor) -> dict[str, Array]:
    """Return the output of every layer, `conv1_1`, `bn1_1` if there is one, `relu1_1` and so on."""
    arrays = {name: tensor.double().numpy() for name, tensor in state.items()}
    batch_norm = "features.1.running_mean" in arrays
    places = iter(PLACES[batch_norm])
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x: Array = (rgb.detach().double().numpy() - mean[:, None, None]) / std[:, None, None]
    outputs: dict[str, Array] = {}
    for number, stage in enumerate(COLUMN_D):
        x = x if number == 0 else halved(x)
        for name in stage:
            place = next(places)
            x = convolved(x, arrays[f"features.{place}.weight"], arrays[f"features.{place}.bias"])
            outputs[f"conv{name}"] = x
            if batch_norm:
                x = normalized(x, *(arrays[f"features.{place + 1}.{part}"] for part in PARTS))
                outputs[f"bn{name}"] = x
            x = np.maximum(x, 0)
            outputs[f"relu{name}"] = x
    return outputs


PARTS = ("weight", "bias", "running_mean", "running_var")


def convolved(x: Array, weight: Array, bias: Array) -> Array:
    """Return a 3x3 convolution with stride 1 and padding of 1."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
    products = np.tensordot(windows, weight, axes=((1, 4, 5), (1, 2, 3)))
    return np.asarray(products + bias).transpose(0, 3, 1, 2)


def normalized(x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
    """Return the normalization by Algorithm 2 of Ioffe and Szegedy, with PyTorch's epsilon."""
    gamma, beta, mean, var = (part[:, None, None] for part in (gamma, beta, mean, var))
    return np.asarray(gamma * (x - mean) / np.sqrt(var + 1e-5) + beta)


def halved(x: Array) -> Array:
    """Return 2x2 maxima without an odd last row or column."""
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    x = x[..., :height, :width]
    return np.asarray(x.reshape(*x.shape[:2], height // 2, 2, width // 2, 2).max(axis=(3, 5)))


def random_statistics(state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Return a state dict with random normalizations and biases."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(name: str, tensor: Tensor) -> Tensor:
        if tensor.ndim > 1:
            return tensor
        noise = torch.rand(tensor.shape, generator=generator)
        return 0.5 + noise if name.endswith(("weight", "running_var")) else noise - 0.5

    return {name: drawn(name, tensor) for name, tensor in state.items()}
