"""The strip of docs/video.md: frames of a shot in gray, colorized frame by frame, and with steady colors.

    python -m tools.pages.film_strip CLIP --first 66 --step 2 --count 9 --crop 0.3,0.1,0.56,1

The clip of the committed strip is a silent film of the 1910s, `media/chaplin.mp4` of github.com/Zulko/moviepy.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chromalab.colorization.video.source import Damage, frames, probe
from chromalab.photo.resizing import resize_plane
from chromalab.photo.writing import encode_jpeg
from chromalab.weights.colorizers import DEFAULT_MODEL
from tools.benchmarks.video import FRAMEWISE, STEADY, colorized, predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path(__file__).parents[2] / "docs" / "images" / "film_strip.jpg"
ROWS_PX = 150
GAP_PX = 3


def main() -> None:
    """Write the strip of the clip that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=4)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--crop", default="0,0,1,1", help="left, top, right and bottom as shares")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    wanted = range(given.first, given.first + given.step * given.count, given.step)
    crop = [float(share) for share in given.crop.split(",")]
    film = probe(given.clip)
    chroma = predicted(film, DEFAULT_MODEL)
    columns = []
    for index, frame in enumerate(frames(film, Damage())):
        if index in wanted:
            versions = (np.zeros_like(chroma[STEADY][index]), chroma[FRAMEWISE][index], chroma[STEADY][index])
            columns.append(np.concatenate([cell(colorized(frame, film, each), crop) for each in versions]))
    given.out.write_bytes(encode_jpeg(np.concatenate(columns, axis=1)))


def cell(rgb: NDArray[np.uint8], crop: list[float]) -> NDArray[np.uint8]:
    """Return a frame cropped and reduced, with a white border on the right and below."""
    height, width = rgb.shape[:2]
    rgb = rgb[round(crop[1] * height) : round(crop[3] * height), round(crop[0] * width) : round(crop[2] * width)]
    columns = round(rgb.shape[1] * ROWS_PX / rgb.shape[0])
    small = np.stack([resize_plane(rgb[..., c].astype(np.float32), ROWS_PX, columns) for c in range(3)], axis=-1)
    pixels = np.rint(np.clip(small, 0, 255)).astype(np.uint8)
    return np.pad(pixels, ((0, GAP_PX), (0, GAP_PX), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
