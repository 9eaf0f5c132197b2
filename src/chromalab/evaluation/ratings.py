"""What people said of colorized photographs: ratings of images beside their references."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIN_IMAGES = 3


@dataclass(frozen=True)
class RatedImage:
    """An image that people rated.

    Attributes:
        scene: what is to be seen; images of one scene share their reference.
        image: its name.
        path: its file.
        reference: the file of the true photograph.
        score: what people say on average, higher is better.
        is_real: it is the output of a colorizer, not a manipulation made for the experiment.
    """

    scene: str
    image: str
    path: Path
    reference: Path
    score: float
    is_real: bool


@dataclass(frozen=True)
class Vote:
    """One rating: who, of which image, and how high."""

    rater: str
    image: str
    value: float


@dataclass(frozen=True)
class Ratings:
    """Ratings of images; references themselves are no part of them.

    Attributes:
        name: of the set.
        images: the rated images.
        sha256: of the file that the scores stand in.
        votes: the single ratings, where they are known.
    """

    name: str
    images: tuple[RatedImage, ...]
    sha256: str
    votes: tuple[Vote, ...] = ()


def load_hecd(folder: Path) -> Ratings:
    """Read ratings as the Human Evaluated Colorisation Dataset holds them (Mullery and Whelan 2022).

    Args:
        folder: with `images/`, `ratings.csv` (scene, image, is_ground_truth, is_real_colorizer, mos_z) and, where
            single ratings are known, `ratings_raw.csv` (rater, image, diff_z).

    Raises:
        ConfigError: a file is missing, or a row can't be understood.
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
    """Read ratings of one's own.

    Args:
        path: a CSV file with the columns `image`, `reference` (files, relative to it) and `score` (higher is better);
            `scene` and `real` (1 for a colorizer's output) may stand beside. Without scenes the reference is the scene,
            and without `real` every image is a colorizer's.

    Raises:
        ConfigError: the file is missing, or a row can't be understood.
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
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the ratings can't be read: {error}") from None
    missing = [column for column in columns if not rows or column not in rows[0]]
    if missing:
        raise ConfigError(f"{path}: expected a CSV file with rows under {', '.join(columns)}; {missing[0]} is missing")
    return rows


def _present(file: Path, path: Path, line: int) -> Path:
    if not file.is_file():
        raise ConfigError(f"{path}, line {line}: there is no file {file}")
    return file


def _number(text: str, path: Path, line: int, column: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ConfigError(f"{path}, line {line}: {column} is a number, not '{text}'") from None


def _enough(images: list[RatedImage], path: Path) -> tuple[RatedImage, ...]:
    if len(images) < MIN_IMAGES:
        raise UsageError(f"{path}: agreement needs at least {MIN_IMAGES} rated images, {len(images)} came")
    return tuple(images)
