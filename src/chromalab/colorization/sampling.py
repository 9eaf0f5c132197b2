"""Plausible versions of a photo, sampled from a distribution over colors, and the uncertainty of the distribution.

Independent samples for every pixel would give confetti. Instead, every bin gets a field of Gumbel noise that varies
slowly over the image and over neighboring bins, and each pixel takes the bin with the largest sum of log probability
and noise. With independent noise, this Gumbel-max trick samples exactly from the network's probabilities (Gumbel 1954;
Maddison, Tarlow, Minka 2014). Here neighboring pixels have similar noise and therefore similar colors. Neighboring bins
have similar noise, too, so between distant colors the choice has the network's probabilities, and within a group of
similar ones it prefers the likeliest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT
from chromalab.core.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARPNESS = 0.38
"""Temperature of the annealed mean around the sampled bin (Zhang et al. 2016), which softens borders of bins."""

FIELD_SHARE = 0.35
"""Width of the noise's features, as a share of the image's shorter side."""

BIN_REACH = 25.0
"""CIELAB units over which bins have similar noise, so that versions differ in hue and not merely in the bin."""

_TINY = 1e-6


def sample_chroma(logits: NDArray[np.float32], seed: int, temperature: float = 1.0) -> NDArray[np.float32]:
    """Return a* and b* of one plausible version, (2, rows, columns).

    Args:
        logits: logits over the ab bins, (313, rows, columns).
        seed: index of the version; equal seeds give equal versions.
        temperature: 1 samples from the network's distribution; less is closer to its best guess, more is further.
    """
    noise = _gumbel_fields(logits.shape[1], logits.shape[2], seed)
    return mean_chroma((logits - logits.max(axis=0)) / max(temperature, _TINY) + noise, SHARPNESS)


def mean_chroma(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return the annealed mean of distributions over the bins, (2, rows, columns)."""
    share = shares(logits, temperature)
    return np.asarray(np.tensordot(BIN_CENTERS.T.astype(np.float32), share, axes=1), dtype=np.float32)


def shares(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the softmax at 1 / temperature over the bins, (313, rows, columns)."""
    powers = np.exp((logits - logits.max(axis=0)) / np.float32(temperature))
    return np.asarray(powers / powers.sum(axis=0), dtype=np.float32)


def uncertainty(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of the distribution over colors, in CIELAB units, (rows, columns).

    It is the root of the summed variances of a* and b*: about 10 where the network is certain, 40 where it is not.
    """
    share = shares(logits)
    centers = BIN_CENTERS.T.astype(np.float32)
    mean = np.tensordot(centers, share, axes=1)
    square = np.tensordot((centers**2).sum(axis=0), share, axes=1)
    return np.asarray(np.sqrt(np.maximum(square - (mean**2).sum(axis=0), 0)), dtype=np.float32)


def _gumbel_fields(rows: int, columns: int, seed: int) -> NDArray[np.float32]:
    """Return noise with the standard Gumbel distribution at every single pixel and bin, (313, rows, columns)."""
    generator = np.random.Generator(np.random.PCG64(derive_seed(seed, "color version")))
    white = generator.standard_normal((BIN_COUNT, rows, columns)).astype(np.float32)
    down, across = (_slow_waves(length, FIELD_SHARE * min(rows, columns)) for length in (rows, columns))
    # The white noise is blurred and its bins are mixed in the few coefficients of these waves instead of in all pixels.
    mixed = down.T @ np.tensordot(_bin_kernel(), down @ white @ across.T, axes=1) @ across
    mixed /= np.sqrt((mixed**2).mean(axis=(1, 2), keepdims=True)) + _TINY
    # A field as wide as the image has one value everywhere. Dividing by its root mean square over the image would make
    # that value always 1 or -1, so a constant part is drawn separately and added.
    constant = _bin_kernel() @ generator.standard_normal(BIN_COUNT).astype(np.float32)
    normal = (mixed + constant[:, None, None]) / np.float32(np.sqrt(2))
    uniform = np.clip(ndtr(normal), _TINY, 1 - _TINY)
    return np.asarray(-np.log(-np.log(uniform)), dtype=np.float32)


def _slow_waves(length: int, sigma: float) -> NDArray[np.float32]:
    """Return W with which W^T W is the periodic Gaussian blur, (waves, length), without weights below 1e-4.

    The waves are the orthonormal ones of the real Fourier transform, times the roots of the Gaussian's weights.
    """
    fastest = length / (np.pi * sigma) * np.sqrt(np.log(1e4) / 2)
    waves = np.arange(1, min(int(fastest), (length - 1) // 2) + 1)[:, None]
    weights = np.exp(-((np.pi * sigma / length * waves) ** 2)) * np.sqrt(2 / length)
    angles = 2 * np.pi * waves * np.arange(length) / length
    constant = np.full((1, length), 1 / np.sqrt(length))
    return np.concatenate([constant, weights * np.cos(angles), weights * np.sin(angles)]).astype(np.float32)


def _bin_kernel() -> NDArray[np.float32]:
    """Return weights that correlate the noise of neighboring bins and keep every bin's variance at 1, (313, 313)."""
    squared = ((BIN_CENTERS[:, None] - BIN_CENTERS) ** 2).sum(axis=-1)
    kernel = np.exp(-squared / (2 * (BIN_REACH / 2) ** 2))
    return np.asarray(kernel / np.sqrt((kernel**2).sum(axis=1, keepdims=True)), dtype=np.float32)
