"""A made-up set of ratings for tests: people like colors that are near the truth, and mind a cast less."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import skimage.color
from skimage.data import astronaut, chelsea, coffee

from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

SCENES = {
    "cat": chelsea()[40:136, 100:228],
    "cup": coffee()[60:156, 150:278],
    "face": astronaut()[30:126, 150:278],
    "flag": astronaut()[300:396, 0:128],
}
CHANGES = {
    "half": (0.5, 0.0, 0.6),
    "pale": (0.2, 0.0, -0.2),
    "grey": (0.0, 0.0, -0.6),
    "vivid": (1.4, 0.0, 0.7),
    "warm": (1.0, 12.0, 0.5),
    "warmer": (1.0, 25.0, -0.1),
    "wrong": (-0.8, 0.0, -1.5),
}
"""Chroma factor, shift of b*, and what people say."""


def write_hecd(folder: Path, *, raters: int = 8) -> Path:
    """Write `images/`, `ratings.csv` and `ratings_raw.csv` as HECD has them: four scenes, seven images each."""
    generator = np.random.default_rng(0)
    rows, votes = [], []
    for scene, rgb in SCENES.items():
        rows.append([scene, f"{scene}.png", 1, 0, 0.397])
        write_png(folder / "images" / f"{scene}.png", rgb.copy())
        for name, (factor, shift, liked) in CHANGES.items():
            image = f"{scene}_{name}.png"
            write_png(folder / "images" / image, changed(rgb, factor, shift))
            single = liked + 0.3 * generator.normal(size=raters)
            rows.append([scene, image, 0, int(name in {"half", "warm", "wrong"}), float(single.mean())])
            votes += [[f"r{rater}", image, value] for rater, value in enumerate(single.tolist())]
    _write(folder / "ratings.csv", ["scene", "image", "is_ground_truth", "is_real_colorizer", "mos_z"], rows)
    _write(folder / "ratings_raw.csv", ["rater", "image", "diff_z"], votes)
    return folder


def changed(rgb: np.ndarray, factor: float, shift: float) -> np.ndarray:
    """Return an image with its chroma multiplied and its b* shifted."""
    lab = skimage.color.rgb2lab(rgb) * [1, factor, factor] + [0, 0, shift]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        image = np.clip(skimage.color.lab2rgb(lab), 0, 1)
    levels: np.ndarray = np.rint(image * 255).astype(np.uint8)
    return levels


def _write(path: Path, head: list[str], rows: list[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(head)
        table.writerows(rows)


FULL_SCENE = 66
"""Images of a scene of HECD of which all are at hand: 65 recolorings and the ground truth."""


def full_scenes(hecd: Path, folder: Path) -> Path:
    """Write the part of HECD's scenes of which all images are at hand, and return its folder, called `hecd`.

    What is known of the metrics and raters of this project, and the parameters that it ships, are of these six scenes.
    """
    part = folder / "hecd"
    part.mkdir()
    (part / "images").symlink_to(hecd / "images")
    rows = rows_of(hecd / "ratings.csv")
    counts = Counter(row["scene"] for row in rows)
    kept = [row for row in rows if counts[row["scene"]] == FULL_SCENE]
    names = {row["image"] for row in kept}
    write_rows(part / "ratings.csv", kept)
    write_rows(part / "ratings_raw.csv", [row for row in rows_of(hecd / "ratings_raw.csv") if row["image"] in names])
    return part


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
