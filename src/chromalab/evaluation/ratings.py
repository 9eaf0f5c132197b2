"""Human ratings of colorized photos beside their references."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import sha256_file
from chromalab.photo.reading import read_photo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MIN_IMAGES = 3


@dataclass(frozen=True)
class RatedImage:
    """An image that people rated.

    Attributes:
        scene: name of the scene; images of one scene share their reference.
        image: name of the image.
        path: file of the image.
        reference: file of the true photo.
        score: mean rating; higher is better.
        is_real: whether it is the output of a colorizer, and not a manipulation made for the experiment.
    """

    scene: str
    image: str
    path: Path
    reference: Path
    score: float
    is_real: bool


@dataclass(frozen=True)
class Vote:
    """A single rating of an image by one rater."""

    rater: str
    image: str
    value: float


@dataclass(frozen=True)
class Ratings:
    """Ratings of images, without those of the references themselves.

    Attributes:
        name: name of the set.
        images: the rated images.
        sha256: hash of the file with the scores.
        votes: the single ratings, if known.
    """

    name: str
    images: tuple[RatedImage, ...]
    sha256: str
    votes: tuple[Vote, ...] = ()


def rated_pair(image: RatedImage) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read an image and its reference, sRGB (H, W, 3) each.

    Raises:
        UnreadablePhotoError: one of them cannot be read.
        UsageError: their sizes differ.
    """
    rgb, reference = (read_photo(path).rgb for path in (image.path, image.reference))
    if rgb.shape != reference.shape:
        (height, width), (reference_height, reference_width) = rgb.shape[:2], reference.shape[:2]
        raise UsageError(
            f"{image.path} has {width}x{height} px and its reference {image.reference} "
            f"{reference_width}x{reference_height}; bring both to one size first"
        )
    return rgb, reference


def load_hecd(folder: Path) -> Ratings:
    """Read ratings in the format of the Human Evaluated Colorisation Dataset (Mullery and Whelan 2022).

    Args:
        folder: folder with `images/`, `ratings.csv` (scene, image, is_ground_truth, is_real_colorizer, mos_z) and,
            optionally, the single ratings in `ratings_raw.csv` (rater, image, diff_z).

    Raises:
        ConfigError: a file is missing, or a row cannot be read.
        UsageError: there are fewer than three rated images.
    """
    path = folder / "ratings.csv"
    rows = _rows(path, ("scene", "image", "is_ground_truth", "is_real_colorizer", "mos_z"))
    truths = {row["scene"]: row["image"] for row in rows if row["is_ground_truth"] == "1"}
    images = []
    for line, row in enumerate(rows, start=2):
        if row["is_ground_truth"] == "1":
            continue
        if row["scene"] not in truths:
            raise ConfigError(f"{path}, line {line}: scene {row['scene']} has no row with is_ground_truth = 1")
        images.append(
            RatedImage(
                row["scene"],
                row["image"],
                _present(folder / "images" / row["image"], path, line),
                _present(folder / "images" / truths[row["scene"]], path, line),
                _number(row["mos_z"], path, line, "mos_z"),
                row["is_real_colorizer"] == "1",
            )
        )
    return Ratings(folder.name, _enough(images, path), sha256_file(path), _votes(folder / "ratings_raw.csv"))


def _votes(path: Path) -> tuple[Vote, ...]:
    if not path.is_file():
        return ()
    rows = _rows(path, ("rater", "image", "diff_z"))
    return tuple(
        Vote(row["rater"], row["image"], _number(row["diff_z"], path, line, "diff_z"))
        for line, row in enumerate(rows, start=2)
    )


def load_ratings_csv(path: Path) -> Ratings:
    """Read ratings from a CSV file.

    Args:
        path: a CSV file with the columns `image` and `reference` (files, relative to it) and `score` (higher is
            better). The columns `scene` (default: the reference) and `real` (1, the default, for a colorizer's output)
            are optional.

    Raises:
        ConfigError: the file is missing, or a row cannot be read.
        UsageError: there are fewer than three rated images.
    """
    rows = _rows(path, ("image", "reference", "score"))
    images = [
        RatedImage(
            row.get("scene") or row["reference"],
            row["image"],
            _present(path.parent / row["image"], path, line),
            _present(path.parent / row["reference"], path, line),
            _number(row["score"], path, line, "score"),
            (row.get("real") or "1") == "1",
        )
        for line, row in enumerate(rows, start=2)
    ]
    return Ratings(path.stem, _enough(images, path), sha256_file(path))


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the ratings {path} cannot be read: {error}") from None
    missing = [column for column in columns if not rows or column not in rows[0]]
    if missing:
        raise ConfigError(f"{path}: expected a CSV file with rows under {', '.join(columns)}; {missing[0]} is missing")
    for line, row in enumerate(rows, start=2):
        short = [column for column in columns if not row[column]]
        if short:
            raise ConfigError(f"{path}, line {line}: {short[0]} is missing")
    return rows


def _present(file: Path, path: Path, line: int) -> Path:
    if not file.is_file():
        raise ConfigError(f"{path}, line {line}: the file {file} does not exist")
    return file


def _number(text: str, path: Path, line: int, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{path}, line {line}: {column} must be a number, not '{text}'")
    return number


def _enough(images: list[RatedImage], path: Path) -> tuple[RatedImage, ...]:
    if len(images) < MIN_IMAGES:
        raise UsageError(f"{path}: agreement needs at least {MIN_IMAGES} rated images, not {len(images)}")
    return tuple(images)
