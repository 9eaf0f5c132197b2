"""The strip of docs/video.md: frames of a shot in gray, colorized frame by frame, and with steady colors.

    python -m tools.pages.film_strip CLIP --first 66 --step 2 --count 9 --crop 0.3,0.1,0.56,1

The clip of the committed strip is a silent film of the 1910s, `media/chaplin.mp4` of github.com/Zulko/moviepy.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from chromalab.colorization.engine import Engine
from chromalab.colorization.guided import enlarge
from chromalab.colorization.options import Job, Options
from chromalab.colorization.render import exact_colors
from chromalab.colorization.video import stabilize
from chromalab.colorization.video.analysis import State, parts
from chromalab.colorization.video.film import coefficients_of
from chromalab.colorization.video.source import Damage, Film, Frame, frames, probe
from chromalab.photo.resizing import resize_plane
from chromalab.photo.writing import encode_jpeg
from chromalab.weights.colorizers import default_model, find_colorizer

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
    wanted = [given.first + given.step * number for number in range(given.count)]
    crop = [float(share) for share in given.crop.split(",")]
    film = probe(given.clip)
    steady = chroma_of(film, stabilize.MEMORY)
    alone = chroma_of(film, 0.0)
    columns = []
    for index, frame in enumerate(frames(film, Damage())):
        if index in wanted:
            none = np.zeros_like(steady[index])
            columns.append(np.concatenate([cell(frame, film, c, crop) for c in (none, alone[index], steady[index])]))
        if index >= wanted[-1]:
            break
    given.out.write_bytes(encode_jpeg(np.concatenate(columns, axis=1)))


def chroma_of(film: Film, memory: float) -> list[Any]:
    """Return the chroma of every frame, averaged with the given memory; 0 colorizes frame by frame."""
    before, stabilize.MEMORY = stabilize.MEMORY, memory
    try:
        engine = Engine(find_colorizer(default_model()))
        return [chroma for part in parts(engine, film, Job(Options()), State()) for chroma in part.chroma]
    finally:
        stabilize.MEMORY = before


def cell(frame: Frame, film: Film, chroma: Any, crop: list[float]) -> Any:
    """Return a frame in color, cropped and reduced, with a white border on the right and below."""
    levels = film.signal.levels(frame.luma)
    coefficients = coefficients_of(frame, film, chroma)
    slope, offset = (enlarge(planes, *levels.shape) for planes in coefficients)
    rgb, _, _ = exact_colors(levels, *(slope * levels + offset))
    height, width = levels.shape
    rgb = rgb[round(crop[1] * height) : round(crop[3] * height), round(crop[0] * width) : round(crop[2] * width)]
    columns = round(rgb.shape[1] * ROWS_PX / rgb.shape[0])
    small = np.stack([resize_plane(rgb[..., c].astype(np.float32), ROWS_PX, columns) for c in range(3)], axis=-1)
    pixels = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
    return np.pad(pixels, ((0, GAP_PX), (0, GAP_PX), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
