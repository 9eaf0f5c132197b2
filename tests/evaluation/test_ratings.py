"""Ratings as they stand in files, and what is wrong with files that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import sha256_file
from chromalab.evaluation.ratings import load_hecd, load_ratings_csv
from tests.evaluation.rated import write_hecd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_references_are_no_rated_images(tmp_path: Path) -> None:
    ratings = load_hecd(write_hecd(tmp_path / "set"))
    assert len(ratings.images) == 28
    assert len(ratings.votes) == 28 * 8
    assert ratings.sha256 == sha256_file(tmp_path / "set" / "ratings.csv")
    first = ratings.images[0]
    assert (first.scene, first.path.name, first.reference.name) == ("cat", "cat_half.png", "cat.png")
    assert sum(image.is_real for image in ratings.images) == 12


def test_single_ratings_may_be_unknown(tmp_path: Path) -> None:
    folder = write_hecd(tmp_path)
    (folder / "ratings_raw.csv").unlink()
    assert load_hecd(folder).votes == ()


def test_ratings_from_a_csv_file(tmp_path: Path) -> None:
    write_hecd(tmp_path)
    rows = [
        f"images/cat_{name}.png,images/cat.png,{score}" for name, score in (("half", 3), ("grey", 1), ("warm", 2.5))
    ]
    path = tmp_path / "mine.csv"
    path.write_text("image,reference,score\n" + "\n".join(rows), encoding="utf-8")
    ratings = load_ratings_csv(path)
    assert [image.score for image in ratings.images] == [3, 1, 2.5]
    assert {image.scene for image in ratings.images} == {"images/cat.png"}
    assert all(image.is_real for image in ratings.images)
    path.write_text("image,reference,score\n" + "\n".join(rows[:2]), encoding="utf-8")
    with pytest.raises(UsageError, match="at least 3 rated images, not 2"):
        load_ratings_csv(path)
    for text, message in (
        ("image,score\na,1\n", "reference is missing"),
        ("image,reference,score\nnone.png,images/cat.png,1\n", "line 2: the file"),
        ("image,reference,score\nimages/cat.png,images/cat.png,good\n", "score must be a number, not 'good'"),
        ("image,reference,score\nimages/cat.png,images/cat.png,nan\n", "score must be a number, not 'nan'"),
        ("image,reference,score\nimages/cat.png,images/cat.png,1\nimages/cat.png\n", "line 3: reference is missing"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            load_ratings_csv(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_ratings_csv(tmp_path / "none.csv")


@pytest.mark.slow
def test_a_scene_without_a_reference_is_refused(tmp_path: Path) -> None:
    folder = write_hecd(tmp_path)
    text = (folder / "ratings.csv").read_text(encoding="utf-8").replace("cup,cup.png,1", "cup,cup.png,0")
    (folder / "ratings.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="scene cup has no row with is_ground_truth = 1"):
        load_hecd(folder)
