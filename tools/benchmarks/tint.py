"""The best constant tint: one (a*, b*) for every pixel of every photograph, a baseline for every colorizer.

    python -m tools.benchmarks.tint PHOTOS --exclude FILE [--json results/models/tint.json]

The tint is fitted to training photographs, once for CIEDE2000 (on pixels drawn from all of them) and once for LPIPS-
Alex (on some whole photographs, because it compares neighborhoods). Both searches use the Nelder-Mead method.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize

from chromalab.color.spaces import lab_to_rgb, rgb_to_lab
from chromalab.core.progress import progress
from chromalab.data.sources import folder_sources
from chromalab.functional.delta_e import delta_e_2000
from chromalab.functional.perceptual import LPIPS
from chromalab.functional.tensors import one_torch_thread
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_shortest_side
from tools import parser_of, write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

PIXELS_A_PHOTO = 64
WHOLE_PHOTOS = 128
SIDE_PX = 96
Tint = tuple[float, float]


def tinted(rgb: Tensor, tint: Tint) -> Tensor:
    """Return photographs (B, 3, H, W) in [0, 1] with their own L* and one (a*, b*), clipped to sRGB."""
    lab = rgb_to_lab(rgb)
    lab[:, 1], lab[:, 2] = tint
    return lab_to_rgb(lab).clamp(0, 1)


def fit_delta_e(pixels: Tensor) -> tuple[Tint, float]:
    """Return the tint with the least mean CIEDE2000, and that mean.

    Args:
        pixels: sRGB in [0, 1], shape (N, 3, H, 1), with the same number of pixels from every photo.
    """
    lab = rgb_to_lab(pixels)
    return _fit(lambda tint: float(delta_e_2000(rgb_to_lab(tinted(pixels, tint)), lab).mean()))


def fit_lpips(photos: Sequence[Tensor], start: Tint) -> tuple[Tint, float]:
    """Return the tint with the least mean LPIPS-Alex, searched from `start`, and that mean."""
    lpips = LPIPS("alex")

    def mean(tint: Tint) -> float:
        with torch.no_grad():
            return float(np.mean([float(lpips(tinted(photo, tint), photo)) for photo in photos]))

    return _fit(mean, start)


def _fit(error: Callable[[Tint], float], start: Tint = (0.0, 0.0)) -> tuple[Tint, float]:
    simplex = np.array(start) + np.array([[0, 0], [6, 0], [0, 6]])
    options = {"initial_simplex": simplex, "xatol": 0.1, "fatol": 1e-3, "maxfev": 80}
    found = minimize(lambda x: error((float(x[0]), float(x[1]))), start, method="Nelder-Mead", options=options)
    return (round(float(found.x[0]), 2), round(float(found.x[1]), 2)), float(found.fun)


def fit(folder: Path, exclude: Sequence[str]) -> dict[str, object]:
    """Fit both tints on a folder of photographs, and return the record."""
    sources = folder_sources(folder, exclude)
    rng = np.random.default_rng(0)
    whole = set(rng.choice(len(sources), min(WHOLE_PHOTOS, len(sources)), replace=False).tolist())
    pixels, photos = [], []
    with progress("reading", len(sources)) as advance:
        for place, source in enumerate(sources):
            rgb = read_photo(source.path).rgb
            flat = rgb.reshape(-1, 3)
            pixels.append(_tensor(flat[rng.choice(len(flat), PIXELS_A_PHOTO)][:, None]))
            if place in whole:
                photos.append(_tensor(resize_shortest_side(rgb, SIDE_PX)))
            advance()
    with one_torch_thread():
        tint, delta_e = fit_delta_e(torch.cat(pixels))
        other, lpips = fit_lpips(photos, tint)
    return {
        "photos": len(sources),
        "delta_e_2000": {"tint": tint, "mean": delta_e},
        "lpips_alex": {"tint": other, "mean": lpips, "photos": len(photos), "shorter_side_px": SIDE_PX},
    }


def _tensor(rgb: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))[None]).float() / 255


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--exclude", action="append", default=[], help="pattern, or @FILE with patterns; repeatable")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    record = fit(arguments.photos, arguments.exclude)
    print(record)
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
