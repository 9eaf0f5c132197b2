"""Conversion of colors to distributions over the ab bins and back, in torch."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor
from torch.autograd.function import once_differentiable

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT, SIGMA

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPERATURE = 0.38
"""Zhang et al. 2016, section 2.3: a compromise between the mean (1) and the mode (0) of the distribution."""

NEIGHBORS = 5
"""Number of bins of a soft encoding (Zhang et al. 2016, section 2.1); the authors' code uses 10."""

_CELL = 5.0
_REACH = 110.0
"""The cells of the candidate table cover -110 to 110, which includes all colors of sRGB."""
_CELLS_ACROSS = round(2 * _REACH / _CELL)
_FAR = 1e6
_CHUNK = 16384


def at_resolution(ab: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the colors of an image at the resolution of the logits, by nearest-neighbor sampling.

    A mean across an edge would be a color of neither side. Zhang et al. (2016) also sample single pixels: in their
    `train_val.prototxt` a 1x1 convolution with stride 4 takes the first of every 4x4 pixels. Here it is the pixel
    nearest the center of each block, because predictions are upsampled about these centers. Images can have any size.

    Args:
        ab: (B, C, H, W).
        size: height and width of the logits.

    Returns:
        (B, C, *size).
    """
    return F.interpolate(ab, size=size, mode="nearest-exact")


def soft_encode(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Encode every color as Gaussian weights over its nearest bins (Zhang et al. 2016, section 2.1).

    Args:
        ab: (a*, b*) in CIELAB units, any finite colors, (B, 2, H, W); the result has no gradient.

    Returns:
        index: the five nearest bins, the nearest first, int64 (B, 5, H, W); ties are resolved arbitrarily.
        weights: exp(-d^2 / (2 * 5^2)) of their distances d, normalized over the five, (B, 5, H, W) of `ab`'s type.
    """
    batch, _, height, width = ab.shape
    colors = ab.detach().permute(0, 2, 3, 1).reshape(-1, 2)
    parts = [_nearest(part) for part in colors.split(_CHUNK)]
    index, squared = (torch.cat(part) for part in zip(*parts, strict=True))
    # A softmax keeps the weights defined for colors so far from all bins that every Gaussian is 0.
    weights = torch.softmax(squared / (-2 * SIGMA**2), dim=1)
    shape = (batch, height, width, NEIGHBORS)
    return index.reshape(shape).permute(0, 3, 1, 2), weights.reshape(shape).permute(0, 3, 1, 2)


def _nearest(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Return the five nearest bins of colors (N, 2) and the squared distances, (N, 5) each, the nearest first."""
    centers = torch.as_tensor(_padded_centers(), dtype=ab.dtype, device=ab.device)
    candidates = torch.as_tensor(_candidates(), device=ab.device)[_cells(ab)]
    squared, place = _squared(ab, centers[candidates]).topk(NEIGHBORS, dim=1, largest=False)
    index = candidates.gather(1, place)
    beyond = (ab.abs() > _REACH).any(dim=1)
    if beyond.any():
        squared[beyond], index[beyond] = _squared(ab[beyond], centers[:BIN_COUNT]).topk(NEIGHBORS, dim=1, largest=False)
    return index, squared


def _squared(ab: Tensor, centers: Tensor) -> Tensor:
    return (ab[:, None] - centers).square().sum(dim=-1)


def _cells(ab: Tensor) -> Tensor:
    """Return the cell number of each color (N, 2); colors beyond the cells get a cell at the edge."""
    a, b = ((ab + _REACH) / _CELL).long().clamp(0, _CELLS_ACROSS - 1).unbind(dim=1)
    return a * _CELLS_ACROSS + b


@cache
def _candidates() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return for every cell the bins that can be among the five nearest bins of its colors, padded with 313.

    Every color of a cell is within r, half the diagonal, of its center. If the fifth nearest bin of the center is at a
    distance d, the five nearest bins of the color are within d + r of the color, and within d + 2 r of the center.
    """
    middles = (np.arange(_CELLS_ACROSS) + 0.5) * _CELL - _REACH
    a, b = (axis.reshape(-1, 1) for axis in np.meshgrid(middles, middles, indexing="ij"))
    distances = np.hypot(a - BIN_CENTERS[:, 0], b - BIN_CENTERS[:, 1])
    fifth = np.partition(distances, NEIGHBORS - 1, axis=1)[:, NEIGHBORS - 1]
    rows = [np.flatnonzero(row <= limit) for row, limit in zip(distances, fifth + _CELL * 2**0.5 + 1e-6, strict=True)]
    return np.array(list(_padded(rows, max(len(row) for row in rows))), dtype=np.int64)


def _padded(rows: list[np.ndarray[tuple[int], np.dtype[np.intp]]], length: int) -> Iterator[list[int]]:
    for row in rows:
        yield [*row.tolist(), *[BIN_COUNT] * (length - len(row))]


@cache
def _padded_centers() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the bins' centers, and one more that is far from all colors."""
    return np.concatenate([BIN_CENTERS, [[_FAR, _FAR]]])


def annealed_mean(logits: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the annealed mean of distributions over the ab bins (Zhang et al. 2016, eq. 5).

    f_T(z) = exp(log z / T) / sum exp(log z / T) for a distribution z, which for logits is their softmax at 1 / T.

    Args:
        logits: (B, 313, H, W), any finite numbers.
        temperature: T, above 0; 1 gives the mean, and values near 0 the mode.

    Returns:
        (a*, b*) in CIELAB units, (B, 2, H, W), inside the convex hull of the bins. Computed in at least single
        precision. Differentiable once.

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature of an annealed mean must be above 0, got {temperature}")
    # Half precision would be too coarse for colors up to 110.
    with torch.autocast(logits.device.type, enabled=False):
        if logits.dtype in {torch.float16, torch.bfloat16}:
            logits = logits.float()
        if torch.is_grad_enabled() and logits.requires_grad:
            mean: Tensor = _AnnealedMean.apply(logits, temperature)  # type: ignore[no-untyped-call]
            return mean
        _, sums = _annealed_sums(logits, temperature)
        return sums[:, :2] / sums[:, 2:]


class _AnnealedMean(torch.autograd.Function):
    """The annealed mean with an explicit gradient, which is three times as fast as autograd and saves memory."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, temperature: float) -> Tensor:
        """Return (B, 2, H, W) from logits (B, 313, H, W)."""
        powers, sums = _annealed_sums(logits, temperature)
        mean = sums[:, :2] / sums[:, 2:]
        ctx.save_for_backward(powers, sums[:, 2:], mean)
        ctx.temperature = temperature
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the gradient for the logits, p_q (c_q - mean) . grad / T, with annealed probabilities p_q."""
        powers, total, mean = ctx.saved_tensors
        slope = grad / (total * ctx.temperature)
        offset = (slope * mean).sum(dim=1, keepdim=True)
        slopes, centers = torch.cat([slope, -offset], dim=1), _centers_and_one(powers)
        if powers.is_contiguous(memory_format=torch.channels_last):
            along = (slopes.permute(0, 2, 3, 1) @ centers.T).permute(0, 3, 1, 2)
        else:
            along = (centers @ slopes.flatten(2)).unflatten(2, powers.shape[2:])
        return along.mul_(powers), None


def _annealed_sums(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return e = exp((logits - max) / T), (B, 313, H, W), and the sums of e a*, e b* and e over the bins, (B, 3, H, W).

    The largest logit is subtracted first, because the quotient could overflow.
    """
    powers = logits.detach() - logits.detach().amax(dim=1, keepdim=True)
    powers.div_(max(temperature, torch.finfo(powers.dtype).tiny)).exp_()
    sums = _centers_and_one(powers).T @ powers.flatten(2)
    return powers, sums.unflatten(2, logits.shape[2:])


def _centers_and_one(like: Tensor) -> Tensor:
    """Return a*, b* and 1 of every bin, (313, 3)."""
    centers = torch.tensor(BIN_CENTERS, dtype=like.dtype, device=like.device)
    return F.pad(centers, (0, 1), value=1.0)
