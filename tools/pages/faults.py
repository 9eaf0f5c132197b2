"""Typical faults of colorized photographs, made on purpose: in CIELAB, with the lightness kept but where it is said."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.ndimage
import skimage.color
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

Picture = NDArray[np.float64]
Photo = NDArray[np.uint8]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        description: what is done, in words.
        apply: CIELAB (H, W, 3) -> the same with the fault.
    """

    description: str
    apply: Callable[[Picture], Picture]


def faulty(rgb: Photo, name: str) -> Photo:
    """Return a photograph (H, W, 3) with a fault, clipped to sRGB and rounded."""
    if name == JPEG:
        return _compressed(rgb)
    return _to_rgb(FAULTS[name].apply(skimage.color.rgb2lab(rgb)))


def _to_rgb(lab: Picture) -> Photo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of colors that sRGB does not have
        picture: Picture = skimage.color.lab2rgb(lab)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _compressed(rgb: Photo) -> Photo:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=50)
    picture: Photo = np.asarray(Image.open(file).convert("RGB"))
    return picture


def _scaled(factor: float) -> Callable[[Picture], Picture]:
    return lambda lab: lab * np.array([1.0, factor, factor])


def _cast(lab: Picture) -> Picture:
    return _with_color(lab, lab[..., 1:] + [4.0, 14.0])


def _with_color(lab: Picture, color: Picture) -> Picture:
    return np.concatenate([lab[..., :1], color], axis=-1)


def _turned(color: Picture, degrees: float) -> Picture:
    """Turn (a*, b*) around gray."""
    angle = np.radians(degrees)
    a, b = color[..., 0], color[..., 1]
    return np.stack([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], axis=-1)


def _hue_turned(lab: Picture) -> Picture:
    return _with_color(lab, _turned(lab[..., 1:], 30))


def _recolored(lab: Picture) -> Picture:
    """Turn the hue of the most colorful fifth of the pixels, with soft edges: a thing of another color."""
    chroma = scipy.ndimage.gaussian_filter(np.hypot(lab[..., 1], lab[..., 2]), 3)
    inside = (chroma > np.quantile(chroma, 0.8)).astype(np.float64)
    share = scipy.ndimage.gaussian_filter(inside, 1.5)[..., None]
    return _with_color(lab, (1 - share) * lab[..., 1:] + share * _turned(lab[..., 1:], 150))


def _blotched(lab: Picture) -> Picture:
    generator = np.random.default_rng(4)
    color = lab[..., 1:].copy()
    rows, columns = np.mgrid[: lab.shape[0], : lab.shape[1]]
    for _ in range(14):
        row, column = generator.integers(lab.shape[0]), generator.integers(lab.shape[1])
        weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 9.0**2))[..., None]
        color += weight * generator.normal(0, 35, size=2)
    return _with_color(lab, color)


def _bled(lab: Picture) -> Picture:
    return _with_color(lab, scipy.ndimage.gaussian_filter(lab[..., 1:], (8, 8, 0)))


def _moved(lab: Picture) -> Picture:
    return _with_color(lab, np.concatenate([lab[:, :1, 1:], lab[:, :-1, 1:]], axis=1))


def _noisy(lab: Picture) -> Picture:
    return _with_color(lab, lab[..., 1:] + np.random.default_rng(5).normal(0, 10, size=(*lab.shape[:2], 2)))


def _brightened(lab: Picture) -> Picture:
    return np.concatenate([100 * (lab[..., :1] / 100) ** 0.9, lab[..., 1:]], axis=-1)


def _rounded(lab: Picture) -> Picture:
    return np.concatenate([np.rint(lab[..., :1] * 2.55) / 2.55, np.rint(lab[..., 1:])], axis=-1)


def _unchanged(lab: Picture) -> Picture:
    return lab


GREY = "grey"
JPEG = "JPEG"

FAULTS: dict[str, Fault] = {
    GREY: Fault("no chroma at all", _scaled(0.0)),
    "pale": Fault("half the chroma", _scaled(0.5)),
    "gaudy": Fault("1.5 times the chroma", _scaled(1.5)),
    "cast": Fault("a warm cast: a* + 4, b* + 14 everywhere", _cast),
    "turned": Fault("all hues turned by 30°", _hue_turned),
    "recoloured": Fault("the hue of the most colorful fifth of the picture turned by 150°", _recolored),
    "blotches": Fault("fourteen spots of random color, Gaussians of 9 px", _blotched),
    "bled": Fault("the chroma blurred by a Gaussian of 8 px", _bled),
    "moved": Fault("the chroma moved by one pixel", _moved),
    "noise": Fault("noise in every pixel's a* and b*, standard deviation 10", _noisy),
    "brighter": Fault("lightness L* to 100 (L* / 100)^0.9", _brightened),
    "8-bit Lab": Fault("L* rounded to 256 steps, a* and b* to whole numbers, as 8-bit Lab files do", _rounded),
    JPEG: Fault("JPEG of quality 50 with halved color resolution: no fault of a colorizer", _unchanged),
}
"""The faults by the names that they have in the tables, in their order."""
