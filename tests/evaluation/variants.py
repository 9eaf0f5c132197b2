"""Made-up methods for tests: what a colorizer might do to photographs, keeping their lightness."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import scipy.ndimage
import skimage.color

from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def _blurred(lab: np.ndarray) -> np.ndarray:
    return np.stack([lab[..., 0], *(scipy.ndimage.gaussian_filter(lab[..., band], 4) for band in (1, 2))], axis=-1)


def _sepia(lab: np.ndarray) -> np.ndarray:
    return np.stack([lab[..., 0], np.full_like(lab[..., 0], 8), np.full_like(lab[..., 0], 22)], axis=-1)


VARIANTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "uncolored": lambda lab: lab * [1, 0, 0],
    "sepia": _sepia,
    "blurred": _blurred,
}


def write_variants(folder: Path, photos: Mapping[str, np.ndarray]) -> dict[str, Path]:
    """Write photographs into `folder/target` and every variant beside it; return the variants' folders."""
    for name, rgb in photos.items():
        write_png(folder / "target" / f"{name}.png", rgb)
        lab = skimage.color.rgb2lab(rgb)
        for variant, change in VARIANTS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # colors beyond sRGB are clipped, which it warns of
                image = skimage.color.lab2rgb(change(lab))
            write_png(folder / variant / f"{name}.png", np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
    return {variant: folder / variant for variant in VARIANTS}
