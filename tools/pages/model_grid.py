"""Draw the shipped models' colors side by side: `python -m tools.pages.model_grid [PHOTOS] [--out FILE]`.

Without a folder the built-in sample photographs are drawn, which is the picture of docs/reference/models.md. Of a
folder, as of archive photographs, only gray and the models are shown.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import chromalab
from chromalab.core.files import write_bytes
from chromalab.data.samples import sample_path
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.photo.writing import write_png
from chromalab.weights.colorizers import shipped_models
from tools.pages.figures import IMAGES, in_folders, picture_grid

SAMPLES = ("astronaut", "chelsea", "coffee", "china", "rocket", "flower", "grace_hopper")
SIDE_PX = 256


def draw(paths: dict[str, Path], out: Path, *, truth: bool) -> None:
    """Colorize photos with every shipped model, and tile them."""
    columns = ["grey", *shipped_models(), *(["truth"] if truth else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for photo, path in paths.items():
            rgb = read_photo(path).rgb
            if min(rgb.shape[:2]) > SIDE_PX:
                rgb = resize_shortest_side(rgb, SIDE_PX)
            grey = np.repeat((rgb @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)[..., None], 3, axis=2)
            write_png(folder / "grey" / f"{photo}.png", grey)
            write_png(folder / "truth" / f"{photo}.png", rgb)
            for model in shipped_models():
                write_png(folder / model / f"{photo}.png", chromalab.colorize(grey, model=model))
        write_bytes(out, picture_grid(in_folders(folder), columns, list(paths)))


def main() -> None:
    """Draw the sample photographs, or those of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=IMAGES / "models.jpg")
    arguments = parser.parse_args()
    if arguments.photos is None:
        draw({name: sample_path(name) for name in SAMPLES}, arguments.out, truth=True)
    else:
        found = list_photos(arguments.photos)
        draw({f"{place:03d}": path for place, path in enumerate(found)}, arguments.out, truth=False)


if __name__ == "__main__":
    main()
