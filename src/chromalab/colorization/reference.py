"""References: color images whose colors a photo takes where both are alike.

A reference may show the same scene as the photo, such as a version colored by hand. Then both are aligned, and every
place takes the color of the same place. Elsewhere the network's own prediction, the lightness and the texture describe
a place, and it takes the colors of the places in the reference with the most similar description. Welsh et al.
(*Transferring Color to Greyscale Images*, 2002) compare lightness and texture alone. Where nothing in the references is
alike, the network's colors stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

from chromalab.color.lab import LUMINANCE, decode_srgb, encode_srgb, rgb_to_lab
from chromalab.colorization.alignment import Alignment, align, warp
from chromalab.colorization.guided import enlarge, fit
from chromalab.core.errors import UsageError
from chromalab.core.files import path_exists, printable, sha256_file
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.photo.resizing import resize_plane, target_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine

SIDE_PX = 384
"""Shorter side of the small copy of a reference."""

MOST_REFERENCES = 8

CELLS = 3456
"""Number of the cells, on a regular grid, into which a photo is divided for comparing places: 48 x 72."""

NEIGHBORS = 24
"""Number of the most similar places whose colors are averaged."""

WEIGHTS = np.array([1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 0.15, 1 / 0.15, 1 / 0.05, 1 / 0.08, 3.0, 0.5], dtype=np.float32)
"""Weights of the features: predicted a* and b*, in the cell and around it; level, in the cell and around it; standard
deviation of the level, in the cell and around it; position down and across."""

KERNEL = 1.5
"""Distance in weighted features at which a neighbor's share has fallen to exp(-1/2) of that of the nearest one."""

_BASE, _SPREAD, _CHANGE, _VIVID, _LAYOUT = 5.73, -0.265, -0.067, -0.061, -0.052
"""Coefficients of the confidence in a reference, see `_confidence`. They were fitted once, with the least mean color
difference as the aim, to 450 pairs of photographs of which 180 are similar; no network was trained on the photos that
were colorized."""

_STRANGE = 3.5
"""Mean distance to the nearest places above which the confidence in a place falls."""

_DOUBTFUL, _AGREEING = 0.5, 0.8
"""Local correlations of aligned photos between which the confidence in the same place rises from 0 to 1."""

_TIME = re.compile(r"(.+)@(\d+(?:\.\d*)?)s")
_PARTITION = 4
_LAYOUT_PX = 8
_LEAST_CHROMA = 2.0


@dataclass(frozen=True, eq=False)
class Reference:
    """What the transfer needs of a reference.

    Attributes:
        levels: gray levels of the small copy, 0 to 255, (h, w).
        chroma: a* and b* of the small copy, in CIELAB units, (2, h, w).
        features: weighted features of the cells, (n, 10).
        colors: a* and b* of the cells, (n, 2).
        file: name of the file, without its folder; empty for pixels in memory.
        sha256: hash of the file.
        time_s: time of the frame of a film that it shows, in seconds from the first frame; None for none.
    """

    levels: NDArray[np.float32]
    chroma: NDArray[np.float32]
    features: NDArray[np.float32]
    colors: NDArray[np.float32]
    file: str = ""
    sha256: str = ""
    time_s: float | None = None

    def described(self) -> dict[str, object]:
        """Return the name and the hash of the file, and the time, for records."""
        facts: dict[str, object] = {"file": self.file, "sha256": self.sha256}
        return facts if self.time_s is None else facts | {"time_s": self.time_s}


def load_references(engine: Engine, paths: Sequence[Path]) -> tuple[Reference, ...]:
    """Read references from photo files.

    Raises:
        UsageError: there are more than `MOST_REFERENCES`, or one of them can't be read or has no colors.
    """
    if len(paths) > MOST_REFERENCES:
        raise UsageError(f"{len(paths)} references are more than the limit of {MOST_REFERENCES}: give the best ones")
    return tuple(load_reference(engine, path) for path in paths)


def load_reference(engine: Engine, path: Path) -> Reference:
    """Read a reference from a photo file; the time of a frame of a film may follow the name, as in `still.png@12.5s`.

    Raises:
        UsageError: the file can't be read or has no colors.
    """
    exists = path_exists(path)
    time = None if exists else _TIME.fullmatch(path.name)
    if time is not None:
        return replace(load_reference(engine, path.with_name(time[1])), time_s=float(time[2]))
    try:
        photo = read_photo(path, shortest_side_px=SIDE_PX)
        sha256 = sha256_file(path)
    except UnreadablePhotoError as error:
        remedy = "; for a frame of a film, give its time as in still.png@12.5s" if "@" in path.name else ""
        raise UsageError(f"cannot read the reference {path}: {error.reason}{remedy}") from error
    rgb = photo.rgb.astype(np.float32) / np.float32(255)
    try:
        return reference_of(engine, rgb, file=printable(path.name), sha256=sha256)
    except UsageError as error:
        raise UsageError(f"the reference {path} {error}") from error


def reference_of(engine: Engine, rgb: NDArray[np.float32], *, file: str = "", sha256: str = "") -> Reference:
    """Return the reference of an image in memory.

    Args:
        engine: the network that colorizes the photos.
        rgb: sRGB in [0, 1], (H, W, 3).
        file: name of the file, for records.
        sha256: hash of the file, for records.

    Raises:
        UsageError: the image has no colors.
    """
    rgb = _reduced(rgb)
    chroma = np.ascontiguousarray(rgb_to_lab(rgb)[..., 1:].transpose(2, 0, 1), dtype=np.float32)
    if np.hypot(*chroma).mean() < _LEAST_CHROMA:
        raise UsageError("has no colors to take: give a photo in color")
    gray = encode_srgb(decode_srgb(rgb) @ (LUMINANCE / LUMINANCE.sum()))
    levels = np.clip(gray * 255, 0, 255).astype(np.float32)
    predicted = enlarge(engine.predict(levels).ab, *levels.shape)
    return Reference(levels, chroma, _features(levels, predicted), _in_cells(chroma), file, sha256)


def transfer(
    references: Sequence[Reference],
    levels: NDArray[np.float32],
    chroma: NDArray[np.float32],
    *,
    aligns: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the chroma that references suggest for a photo, blended with the network's.

    Args:
        references: at least one reference, made with the network that predicted `chroma`.
        levels: gray levels of the photo's small copy, 0 to 255, (h, w).
        chroma: the network's a* and b* for it, (2, h, w).
        aligns: look for references of the same scene, which takes most of the time.

    Returns:
        The chroma, (2, h, w), and the share of it that comes from the references, in [0, 1], (h, w).
    """
    features = _features(levels, chroma)
    colors, weights, most = np.zeros_like(chroma), np.full(levels.shape, 1e-9, dtype=np.float32), np.zeros_like(levels)
    for reference in references:
        suggested, confidence = _suggested(reference, levels, features, aligns=aligns)
        share = confidence**_PARTITION  # the best reference dominates, because a mean of two colors is dull
        colors += share * suggested
        weights += share
        most = np.maximum(most, confidence)
    return np.asarray(chroma + most * (colors / weights - chroma), dtype=np.float32), most


def _suggested(
    reference: Reference, levels: NDArray[np.float32], features: NDArray[np.float32], *, aligns: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the chroma that one reference suggests, (2, h, w), and the confidence in it, (h, w)."""
    alignment = align(levels, reference.levels) if aligns else None
    layout = _layout_difference(levels, reference.levels) if alignment is None else 0.0
    colors, confidence = _from_similar_places(reference, levels, features, layout)
    if alignment is None:
        return colors, confidence
    same, certain = _from_same_places(reference, levels, alignment)
    return colors + certain * (same - colors), confidence + certain * (1 - confidence)


def _from_same_places(
    reference: Reference, levels: NDArray[np.float32], alignment: Alignment
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    share = np.clip((alignment.agreement - _DOUBTFUL) / (_AGREEING - _DOUBTFUL), 0, 1)
    (certain,) = enlarge(gaussian_filter(share * share * (3 - 2 * share), 1.5)[None], *levels.shape)
    colors, inside = warp(reference.chroma, alignment.matrix, levels.shape)
    return colors, np.asarray(certain * inside, dtype=np.float32)


def _from_similar_places(
    reference: Reference, levels: NDArray[np.float32], features: NDArray[np.float32], layout: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import, and most photos have no reference

    count = min(NEIGHBORS, len(reference.features))
    distance, index = cKDTree(reference.features).query(features, k=range(1, count + 1))
    shares = np.exp((distance[:, :1] ** 2 - distance**2) / (2 * KERNEL**2))
    shares /= shares.sum(axis=1, keepdims=True)
    known = reference.colors[index]
    colors = (shares[..., None] * known).sum(axis=1)
    spread = np.sqrt((shares[..., None] * (known - colors[:, None]) ** 2).sum(axis=(1, 2)))
    change = float(np.hypot(*(colors - features[:, :2] / WEIGHTS[:2]).T).mean())
    confidence = _confidence(reference, spread, distance[:, :4].mean(axis=1), change, layout)
    cells = np.column_stack([colors, confidence]).T.reshape(3, *_cell_shape(levels.shape))
    a, b, confidence = enlarge(median_filter(cells, size=(1, 3, 3)).astype(np.float32), *levels.shape)
    slope, offset = fit(levels, np.stack([a, b]), max(2, round(2 * levels.shape[0] / cells.shape[1])))
    return slope * levels + offset, confidence


def _confidence(
    reference: Reference, spread: NDArray[np.float64], distance: NDArray[np.float64], change: float, layout: float
) -> NDArray[np.float64]:
    """Return the confidence in a reference at every cell, (n,).

    It is lower if places of one description differ in color in the reference, if its colors are vivid or far from the
    network's, and if its layout differs from the photo's. It falls further where no place is alike.
    """
    vivid = float(np.hypot(*reference.chroma).mean())
    logit = _BASE + _SPREAD * spread.mean() + _CHANGE * change + _VIVID * vivid + _LAYOUT * layout
    strange = np.maximum(0, distance - _STRANGE)
    return np.asarray(np.exp(-0.5 * strange**2) / (1 + np.exp(-logit)))


def _layout_difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the mean difference in level between two photos that are reduced to 8 x 8 px."""
    small, other = (resize_plane(levels, _LAYOUT_PX, _LAYOUT_PX) for levels in (first, second))
    return float(np.abs(small - other).mean())


def _features(levels: NDArray[np.float32], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weighted features of the cells, (n, 10)."""
    shape = _cell_shape(levels.shape)
    a, b, light, square = (resize_plane(plane, *shape) for plane in (*chroma, levels / 255, (levels / 255) ** 2))
    wide = gaussian_filter(light, 4.0)
    texture = np.sqrt(np.maximum(square - light * light, 0))
    contrast = np.sqrt(np.maximum(gaussian_filter(light * light, 4.0) - wide * wide, 0))
    down, across = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    around = (gaussian_filter(a, 3.0), gaussian_filter(b, 3.0))
    planes = (a, b, *around, light, gaussian_filter(light, 2.0), texture, contrast, down, across)
    return np.asarray(np.stack(planes, axis=-1).reshape(-1, len(WEIGHTS)) * WEIGHTS, dtype=np.float32)


def _in_cells(chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    shape = _cell_shape(chroma.shape[1:])
    return np.stack([resize_plane(plane, *shape).reshape(-1) for plane in chroma], axis=1)


def _cell_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, (CELLS / (shape[0] * shape[1])) ** 0.5)
    height, width = (max(1, round(side * scale)) for side in shape)
    return height, width


def _reduced(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = rgb.shape[:2]
    size = target_size(height, width, min(SIDE_PX, height, width))
    planes = [resize_plane(rgb[..., channel], *size) for channel in range(3)]
    return np.clip(np.stack(planes, axis=-1), 0, 1)
