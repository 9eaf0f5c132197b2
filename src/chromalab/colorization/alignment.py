"""The affine map between two photos of one scene, found from their gray levels.

Patches of both photos are matched by normalized correlation, at several scales and mirrored. Each match implies a
whole map, and the map that most other matches support is refined on all pixels by Gauss-Newton steps (Lucas, Kanade:
*An Iterative Image Registration Technique*, 1981). Gray levels are normalized locally, so that exposure, contrast and
fading do not matter. Places are in units of the shorter side of their photo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter, map_coordinates

from chromalab.photo.resizing import resize_plane, target_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE_PX, FINE_PX = 96, 192
"""Shorter sides of the copies on which a map is found and refined."""

PATCH_PX = 15
"""Side of a patch, at `COARSE_PX`."""

SCALES = (0.5, 0.6, 0.72, 0.86, 1.0, 1.2, 1.44, 1.7, 2.0)
"""Sizes of the second photo, relative to `COARSE_PX`, at which patches are matched."""

SAME_SCENE = 0.6
"""Least correlation of two aligned photos of one scene; that of other photos stays under 0.3."""

_CERTAIN = 0.9
_KEYPOINTS = 120
_LEAST_MATCHES = 8
_LEAST_CORRELATION = 0.75
_TOLERANCE = 0.06
_NOISE = 4.0
"""Standard deviation of grain, in gray levels."""

_ASPECT_LIMIT = 4
_LEAST_SIDE_PX = 32


class Alignment(NamedTuple):
    """How a second photo lies on a first one.

    Attributes:
        matrix: affine map from a place (y, x, 1) of the first photo to a place (y, x) of the second, (2, 3).
        agreement: local correlation of the aligned photos at `FINE_PX`, at most 1, and 0 outside the second photo.
        correlation: mean of the local correlation, weighted by contrast.
    """

    matrix: NDArray[np.float64]
    agreement: NDArray[np.float32]
    correlation: float


def align(first: NDArray[np.float32], second: NDArray[np.float32]) -> Alignment | None:
    """Return how the second photo lies on the first, or None if they do not show the same scene.

    Args:
        first: gray levels of a small copy, 0 to 255, (h, w).
        second: gray levels of a small copy of the other photo, 0 to 255.
    """
    sides = [*first.shape, *second.shape]
    if min(sides) < _LEAST_SIDE_PX or max(max(p.shape) / min(p.shape) for p in (first, second)) > _ASPECT_LIMIT:
        return None
    matrix = _coarse(first, second)
    if matrix is None:
        return None
    matrix = _refined(_reduced(first, FINE_PX), _reduced(second, FINE_PX), matrix)
    found = _compared(_reduced(first, FINE_PX), _reduced(second, FINE_PX), matrix)
    return found if found.correlation >= SAME_SCENE else None


def warp(
    planes: NDArray[np.float32], matrix: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bring planes of the second photo onto the first.

    Args:
        planes: planes of the second photo, (C, h, w).
        matrix: the map of an `Alignment`.
        shape: height and width of the result, in the proportions of the first photo.

    Returns:
        The planes, (C, *shape), and where they are inside the second photo; the nearest pixels surround them.
    """
    size = np.array(planes.shape[1:])
    place = np.tensordot(matrix, _places(shape), axes=1) * size.min() - 0.5
    inside = ((place >= -0.5) & (place <= size[:, None, None] - 0.5)).all(axis=0)
    warped = [map_coordinates(plane, place, order=1, mode="nearest") for plane in planes]
    return np.asarray(warped, dtype=np.float32), inside


def _places(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return y, x and 1 of every pixel center, (3, h, w)."""
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / min(shape)
    return np.stack([y, x, np.ones(shape)])


def _reduced(levels: NDArray[np.float32], px: int) -> NDArray[np.float32]:
    height, width = levels.shape
    return resize_plane(levels, *target_size(height, width, px))


def _coarse(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Return a map that is good to about a pixel of `COARSE_PX`, or None."""
    small, other = _reduced(first, COARSE_PX), _reduced(second, COARSE_PX)
    matrix = _stretch(first.shape, second.shape)
    correlation = _compared(small, other, matrix).correlation
    if correlation > _CERTAIN:
        return matrix
    voted = _voted(small, second)
    if voted is not None:
        voted = _refined(small, other, voted)
        if _compared(small, other, voted).correlation > correlation:
            return voted
    return _refined(small, other, matrix) if correlation > SAME_SCENE / 2 else None


def _stretch(first: tuple[int, ...], second: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the map that stretches one frame to the other."""
    down, across = (there / min(second) / (here / min(first)) for here, there in zip(first, second, strict=True))
    return np.array([[down, 0.0, 0.0], [0.0, across, 0.0]])


class _Patches(NamedTuple):
    """Patches without their mean, divided by their norm; their centers; and their norms."""

    values: NDArray[np.float32]
    places: NDArray[np.float64]
    norms: NDArray[np.float32]


def _patches(levels: NDArray[np.float32], step: int) -> _Patches:
    view = sliding_window_view(gaussian_filter(levels, 1.0), (PATCH_PX, PATCH_PX))[::step, ::step, ::2, ::2]
    rows, columns, *inner = view.shape
    values = view.reshape(rows * columns, -1)
    values = values - values.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(values, axis=1)
    # Patches of grain alone get a small norm, so that they correlate with nothing.
    values /= np.hypot(norms, 2 * _NOISE * np.sqrt(np.prod(inner)))[:, None]
    places = np.mgrid[:rows, :columns].reshape(2, -1).T * step + PATCH_PX / 2
    return _Patches(values, places / min(levels.shape), norms)


class _Matches(NamedTuple):
    """Best matches: places in both photos, sizes of steps in y and x from the first to the second, correlations."""

    here: NDArray[np.float64]
    there: NDArray[np.float64]
    steps: NDArray[np.float64]
    scores: NDArray[np.float64]


def _matches(small: NDArray[np.float32], second: NDArray[np.float32]) -> _Matches:
    patches = _patches(small, 5)
    textured = np.argsort(-patches.norms, kind="stable")[:_KEYPOINTS]
    own, places, count = patches.values[textured], patches.places[textured], len(textured)
    best = _Matches(places, np.zeros((count, 2)), np.ones((count, 2)), np.zeros(count))
    for scale in SCALES:
        other = _reduced(second, round(COARSE_PX * scale))
        for direction in (1, -1):
            patches = _patches(other[:, ::direction], 2 if scale <= 1 else 3)
            if direction < 0:
                patches.places[:, 1] = other.shape[1] / min(other.shape) - patches.places[:, 1]
            scores = own @ patches.values.T
            index = scores.argmax(axis=1)
            score = scores[np.arange(count), index]
            better = score > best.scores
            best.there[better], best.scores[better] = patches.places[index[better]], score[better]
            best.steps[better] = (1 / scale, direction / scale)
    keep = best.scores > _LEAST_CORRELATION
    return _Matches(*(part[keep] for part in best))


def _voted(small: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Return the map that fits those matches which agree with the match that most of them agree with."""
    found = _matches(small, second)
    if len(found.here) < _LEAST_MATCHES:
        return None
    offsets = found.here - found.here[:, None]
    guesses = found.there[:, None] + offsets * found.steps[:, None]
    fits = (np.abs(guesses - found.there) < _TOLERANCE).all(axis=2)
    fits &= np.sign(found.steps[:, None, 1]) == np.sign(found.steps[:, 1])
    chosen = fits[fits.sum(axis=1).argmax()]
    if chosen.sum() < _LEAST_MATCHES:
        return None
    design = np.column_stack([found.here[chosen], np.ones(chosen.sum())])
    return np.asarray(np.linalg.lstsq(design, found.there[chosen], rcond=None)[0].T)


def _normalized(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return levels with a local mean of 0 and a local standard deviation of about 1, smoothed a little."""
    sigma = min(levels.shape) / 16
    mean = gaussian_filter(levels, sigma)
    spread = np.sqrt(np.maximum(gaussian_filter(levels * levels, sigma) - mean * mean, 0))
    return np.asarray(gaussian_filter((levels - mean) / (spread + np.float32(_NOISE)), 1.0), dtype=np.float32)


def _refined(
    small: NDArray[np.float32], other: NDArray[np.float32], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimize the robust squared difference of both photos over the six numbers of the map."""
    target, source = _normalized(small), _normalized(other)
    planes = np.stack([source, *np.gradient(source, 1 / min(other.shape))])
    places = _places(target.shape)
    for _ in range(8):
        (value, down, across), inside = warp(planes, matrix, target.shape)
        error = target - value
        slopes = np.concatenate([down * places, across * places]).reshape(6, -1)
        weighted = slopes * (inside / (1 + (2 * error) ** 2) ** 2).reshape(-1)
        step = np.linalg.solve(weighted @ slopes.T + 1e-3 * np.eye(6), weighted @ error.reshape(-1))
        matrix = matrix + step.reshape(2, 3)
        if np.abs(step).max() < 1 / 4 / FINE_PX:
            break
    return matrix


def _compared(small: NDArray[np.float32], other: NDArray[np.float32], matrix: NDArray[np.float64]) -> Alignment:
    (warped,), inside = warp(other[None], matrix, small.shape)
    sigma = min(small.shape) / 24

    def mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(gaussian_filter(plane, sigma), dtype=np.float32)

    mean_1, mean_2 = mean(small), mean(warped)
    variance_1 = np.maximum(mean(small * small) - mean_1 * mean_1, 1e-3)
    variance_2 = np.maximum(mean(warped * warped) - mean_2 * mean_2, 1e-3)
    covariance = mean(small * warped) - mean_1 * mean_2
    grain = np.float32(_NOISE**2)  # where both are flat, they agree
    agreement = (covariance + grain) / np.sqrt((variance_1 + grain) * (variance_2 + grain)) * inside
    contrast = np.sqrt(variance_1) * inside
    correlation = (contrast * covariance / np.sqrt(variance_1 * variance_2)).sum() / max(float(contrast.sum()), 1e-6)
    return Alignment(matrix, np.asarray(agreement, dtype=np.float32), float(correlation))
