"""Color differences of images as seen from a distance: S-CIELAB and FLIP, and the HyAB distance that FLIP uses.

Both models blur an image as the eye does: chroma more than lightness, and the more pixels fill a degree of the visual
field, the wider in pixels. They then compare colors pixel by pixel. For images of one flat color the filters change
nothing. At the borders the outermost pixels are repeated. All filters are sums of products of two one-dimensional
filters, so they are applied along rows and columns in turn.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import kornia.color
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor

from chromalab.color.lab import RGB_TO_XYZ, WHITE
from chromalab.functional.tensors import check_rgb, safe_power, safe_sqrt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PIXELS_PER_DEGREE = 3840 * math.pi / 180
"""Pixels per degree of the visual field, 67.02: a monitor of 3840 px across, seen from a distance equal to its width.

The default of Andersson et al. 2020: a 4K monitor 0.7 m wide, seen from 0.7 m."""


def hyab(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    """Return the HyAB distance |dL*| + sqrt(da*^2 + db*^2) of every pixel.

    Abasi, Amani Tehran, Fairchild: *Distance Metrics for Very Large Color Differences*, Color Research and Application
    45(2), 2020: it agrees with people better than Euclidean distances where colors differ strongly.

    Args:
        lab_1: CIELAB (B, 3, H, W), L* in [0, 100].
        lab_2: the same shape; the distance is symmetric.

    Returns:
        (B, H, W), at least 0; 0 with gradient 0 for equal colors.
    """
    lightness, a, b = (lab_1 - lab_2).unbind(1)
    return lightness.abs() + safe_sqrt(a.square() + b.square())


XYZ_TO_OPPONENTS = np.array(
    [[0.2787336, 0.7218031, -0.1065520], [-0.4487736, 0.2898056, 0.0771569], [0.0859513, -0.5899859, 0.5011089]]
)
"""XYZ of the 2 degree observer to luminance, red-green and blue-yellow, from the authors' code of S-CIELAB (cmatrix.m).

Reprints of the paper round it, and some of them have -0.077 in the second row, against the signs of the cones."""

SCIELAB_GAUSSIANS = (
    ((0.921, 0.0283), (0.105, 0.133), (-0.108, 4.336)),
    ((0.531, 0.0392), (0.330, 0.494)),
    ((0.488, 0.0536), (0.371, 0.386)),
)
"""Weights and spreads, in degrees, of the Gaussians exp(-(x^2 + y^2) / spread^2) of the three channels."""


def seen_lab(rgb: Tensor, pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """Return images in CIELAB as S-CIELAB sees them: filtered in opponent channels.

    Zhang, Wandell: *A Spatial Extension of CIELAB for Digital Color-Image Reproduction*, SID Symposium Digest 27, 1996;
    constants of the Journal of the SID 5(1), 1997. S-CIELAB is the CIELAB difference of two such images. As in the
    authors' code, filters extend over one degree, where every Gaussian sums to 1, and so do the weights of a channel.

    Args:
        rgb: sRGB (B, 3, H, W) in [0, 1].
        pixels_per_degree: pixels in one degree of the visual field.

    Returns:
        CIELAB under D65, (B, 3, H, W); the CIELAB of the image itself where it is flat.
    """
    check_rgb(rgb)
    to_opponents = XYZ_TO_OPPONENTS @ RGB_TO_XYZ
    opponents = _mix(kornia.color.rgb_to_linear_rgb(rgb), to_opponents)
    filters = _scielab_filters(pixels_per_degree)
    blurred = torch.stack([_filtered(*pair) for pair in zip(opponents.unbind(1), filters, strict=True)], dim=1)
    return _lab(_mix(blurred, np.linalg.inv(XYZ_TO_OPPONENTS) / WHITE[:, None]))


# FLIP. Andersson, Nilsson, Akenine-Moeller, Oskarsson, Astroem, Fairchild: FLIP: A Difference Evaluator for Alternating
# Images, Proc. ACM Computer Graphics and Interactive Techniques 3(2), 2020 (High Performance Graphics).

FLIP_RGB_TO_XYZ = np.array(
    [
        [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
        [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
        [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
    ]
)
"""Linear sRGB to XYZ in the authors' code; the sums of its rows are the white point."""

FLIP_GAUSSIANS = (((1.0, 0.0047),), ((1.0, 0.0053),), ((34.1, 0.04), (13.5, 0.025)))
"""Table 1: a and b of the contrast sensitivity a sqrt(pi / b) exp(-pi^2 (x^2 + y^2) / b), x and y in degrees, of
luminance, red-green and blue-yellow."""

FEATURE_WIDTH = 0.082
"""Section 4.2: width of the edge detector in degrees, two standard deviations."""

COLOR_EXPONENT, FEATURE_EXPONENT = 0.7, 0.5
"""q_c and q_f, sections 4.1.3 and 4.2."""

KNEE, VALUE_AT_KNEE = 0.4, 0.95
"""p_c and p_t, section 4.1.3: color errors up to 0.4 of the largest one are spread over [0, 0.95]."""


class FlipImage(NamedTuple):
    """What FLIP compares of an image.

    Attributes:
        color: filtered image in CIELAB, a* and b* multiplied by L* / 100 (Hunt effect), (B, 3, H, W).
        edges: strength of edges, (B, H, W).
        points: strength of points and lines, (B, H, W).
    """

    color: Tensor
    edges: Tensor
    points: Tensor


def flip_image(rgb: Tensor, pixels_per_degree: float = PIXELS_PER_DEGREE) -> FlipImage:
    """Return what FLIP compares of images.

    Args:
        rgb: sRGB (B, 3, H, W) in [0, 1].
        pixels_per_degree: pixels in one degree of the visual field.
    """
    check_rgb(rgb)
    to_opponents = _OPPONENTS @ _RELATIVE_XYZ
    opponents = _mix(kornia.color.rgb_to_linear_rgb(rgb), to_opponents)
    filters = _flip_filters(pixels_per_degree)
    blurred = torch.stack([_filtered(*pair) for pair in zip(opponents.unbind(1), filters, strict=True)], dim=1)
    linear = _mix(blurred, np.linalg.inv(to_opponents)).clamp(0, 1)
    edges, points = (_magnitude(opponents[:, 0], *pair) for pair in _feature_filters(pixels_per_degree))
    return FlipImage(_hunt(_lab(_mix(linear, _RELATIVE_XYZ))), edges, points)


def flip(preds: FlipImage, target: FlipImage) -> Tensor:
    """Return the FLIP error of every pixel (section 4.3).

    Args:
        preds: one batch of images, from `flip_image`.
        target: the other; the error is symmetric.

    Returns:
        (B, H, W), in [0, 1]; 0 for equal images.
    """
    color = _spread(safe_power(hyab(preds.color, target.color), COLOR_EXPONENT))
    difference = torch.maximum((preds.edges - target.edges).abs(), (preds.points - target.points).abs())
    feature = safe_power(difference / math.sqrt(2), FEATURE_EXPONENT).clamp_max(1)
    return color.pow(1 - feature)


_RELATIVE_XYZ = FLIP_RGB_TO_XYZ / FLIP_RGB_TO_XYZ.sum(axis=1, keepdims=True)
_OPPONENTS = np.array([[0.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
"""Linearized CIELAB, Y C_x C_z, without its constants, which linear filters do not see."""


def _hunt(lab: Tensor) -> Tensor:
    lightness = lab[:, :1]
    return torch.cat([lightness, 0.01 * lightness * lab[:, 1:]], dim=1)


def _spread(error: Tensor) -> Tensor:
    """Map color errors to [0, 1], piecewise linear (section 4.1.3)."""
    largest = _largest_error()
    knee = KNEE * largest
    above = VALUE_AT_KNEE + (error - knee) / (largest - knee) * (1 - VALUE_AT_KNEE)
    return torch.where(error < knee, error * (VALUE_AT_KNEE / knee), above).clamp_max(1)


@cache
def _largest_error() -> float:
    """Return the color error between green and blue, the colors of sRGB that are farthest apart."""
    green, blue = (torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1) for rgb in ([0, 1, 0], [0, 0, 1]))
    colors = [_hunt(_lab(_mix(rgb, _RELATIVE_XYZ))) for rgb in (green, blue)]
    return math.pow(hyab(*colors).item(), COLOR_EXPONENT)


def _mix(planes: Tensor, matrix: NDArray[np.float64]) -> Tensor:
    """Multiply the channels of (B, 3, H, W) by a matrix."""
    return torch.einsum("ij,bjhw->bihw", torch.from_numpy(matrix).to(planes), planes)


def _lab(xyz: Tensor) -> Tensor:
    """Return CIELAB of XYZ relative to white, (B, 3, H, W); values below 0 stay on the linear part of the curve."""
    curved = xyz.clamp_min((6 / 29) ** 3).pow(1 / 3)
    x, y, z = torch.where(xyz > (6 / 29) ** 3, curved, xyz * (29 / 6) ** 2 / 3 + 4 / 29).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


_Kernel = tuple[float, ...]
_Term = tuple[float, _Kernel, _Kernel]
"""A weight, a filter along rows and a filter along columns, whose products are summed to a filter."""


@cache
def _scielab_filters(pixels_per_degree: float) -> list[list[_Term]]:
    filters = []
    for gaussians in SCIELAB_GAUSSIANS:
        total = sum(weight for weight, _ in gaussians)
        kernels = [_scielab_kernel(spread * pixels_per_degree, pixels_per_degree) for _, spread in gaussians]
        filters.append([(w / total, kernel, kernel) for (w, _), kernel in zip(gaussians, kernels, strict=True)])
    return filters


def _scielab_kernel(spread_px: float, width_px: float) -> _Kernel:
    radius = min(int(width_px / 2), math.ceil(6 * spread_px))  # beyond six spreads, values are below 1e-15
    return _unit(np.exp(-((_offsets(radius) / spread_px) ** 2)))


@cache
def _flip_filters(pixels_per_degree: float) -> list[list[_Term]]:
    """Return the filters of section 4.1.1, each of which sums to 1; all extend over three widths of the widest."""
    widest = max(b for gaussians in FLIP_GAUSSIANS for _, b in gaussians)
    radius = math.ceil(3 * math.sqrt(widest / (2 * math.pi**2)) * pixels_per_degree)
    degrees = _offsets(radius) / pixels_per_degree
    filters = []
    for gaussians in FLIP_GAUSSIANS:
        curves = [np.exp(-(math.pi**2) * degrees**2 / b) for _, b in gaussians]
        masses = [a * math.sqrt(math.pi / b) * g.sum() ** 2 for (a, b), g in zip(gaussians, curves, strict=True)]
        filters.append([(m / sum(masses), _unit(g), _unit(g)) for m, g in zip(masses, curves, strict=True)])
    return filters


@cache
def _feature_filters(pixels_per_degree: float) -> list[tuple[_Kernel, _Kernel]]:
    """Return the derivative and the smoothing filter of edges and of points (section 4.2).

    The positive weights of a derivative sum to 1 and the negative ones to -1.
    """
    deviation = FEATURE_WIDTH / 2 * pixels_per_degree
    x = _offsets(math.ceil(3 * deviation))
    gaussian = np.exp(-(x**2) / (2 * deviation**2))
    derivatives = [-x * gaussian, (x**2 / deviation**2 - 1) * gaussian]
    return [(_balanced(derivative), _unit(gaussian)) for derivative in derivatives]


def _offsets(radius: int) -> NDArray[np.float64]:
    return np.arange(-radius, radius + 1, dtype=np.float64)


def _unit(kernel: NDArray[np.float64]) -> _Kernel:
    return tuple((kernel / kernel.sum()).tolist())


def _balanced(kernel: NDArray[np.float64]) -> _Kernel:
    above, below = kernel[kernel > 0].sum(), -kernel[kernel < 0].sum()
    return tuple(np.where(kernel > 0, kernel / above, kernel / below).tolist())


def _magnitude(plane: Tensor, derivative: _Kernel, smoothing: _Kernel) -> Tensor:
    across = _filtered(plane, [(1.0, derivative, smoothing)])
    down = _filtered(plane, [(1.0, smoothing, derivative)])
    return safe_sqrt(across.square() + down.square())


def _filtered(plane: Tensor, terms: Sequence[_Term]) -> Tensor:
    """Return (B, H, W) after a filter."""
    parts = [w * _along_rows(_along_rows(plane, across).mT, down).mT for w, across, down in terms]
    return torch.stack(parts).sum(dim=0) if len(parts) > 1 else parts[0]


_BLOCK = 64
"""Pixels of a row that are filtered by one matrix product, which is several times as fast as a convolution."""


def _along_rows(plane: Tensor, kernel: _Kernel) -> Tensor:
    """Correlate the rows of (B, H, W) with a kernel of odd length."""
    radius, width = len(kernel) // 2, plane.shape[-1]
    padded = F.pad(plane, (radius, radius + -width % _BLOCK), mode="replicate")
    windows = padded.unfold(-1, _BLOCK + 2 * radius, _BLOCK).contiguous()  # else the product is ten times as slow
    return (windows @ _band_matrix(kernel).to(plane)).flatten(-2)[..., :width]


@cache
def _band_matrix(kernel: _Kernel) -> Tensor:
    """Return the matrix that maps a block with its margins, (64 + 2 radius,), to the filtered block, (64,)."""
    matrix = torch.zeros(_BLOCK + len(kernel) - 1, _BLOCK, dtype=torch.float64)
    for column in range(_BLOCK):
        matrix[column : column + len(kernel), column] = torch.tensor(kernel, dtype=torch.float64)
    return matrix
