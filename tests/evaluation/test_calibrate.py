"""Fitting the distance for color to ratings: what is learned, what is refused, and the shipped numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.evaluation.calibrate import CANDIDATES, calibrate, load_parameters, out_of_fold_scores
from chromalab.evaluation.ratings import Ratings, load_hecd
from chromalab.functional.color_perceptual import PARTS
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.perceptual import PARAMETERS_FILE, color_perceptual_metric, shipped_parameters
from chromalab.photo.reading import read_photo
from chromalab.stats.agreement import srcc
from tests.evaluation.rated import full_scenes, write_hecd
from tests.functional.test_color_perceptual import tensor

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Ratings:
    """Return ratings of four scenes, each image twice, for 28 would be too few."""
    found = load_hecd(write_hecd(tmp_path_factory.mktemp("rated")))
    return Ratings(found.name, found.images * 2, found.sha256)


@pytest.mark.slow
def test_calibration_learns_the_ratings(ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = [choice for choice in CANDIDATES if choice.side_px < 224]
    monkeypatch.setattr("chromalab.evaluation.calibrate.CANDIDATES", smaller)
    fitted = calibrate(ratings, threads=1)
    assert all(weight >= 0 for weight in fitted.weights.values())
    assert set(fitted.weights) <= set(PARTS)
    assert (fitted.side_px, fitted.ridge) in {(choice.side_px, choice.ridge) for choice in smaller}
    assert set(fitted.folds) == {"cat", "cup", "face", "flag"}
    assert fitted.pooled_srcc is not None
    assert fitted.pooled_srcc > 0.5
    fitted.save(tmp_path / "own.json")
    own = load_parameters(tmp_path / "own.json")
    assert own == fitted
    values = out_of_fold_scores(ratings, own)
    assert values is not None
    people = [image.score for image in ratings.images]
    assert srcc([-values[image.image] for image in ratings.images], people) == pytest.approx(own.pooled_srcc, abs=1e-3)
    metric = color_perceptual_metric(own.folds["cat"])
    assert isinstance(metric, PhotoMetric)
    image = ratings.images[0]
    assert image.scene == "cat"
    measured = metric(tensor(read_photo(image.path).rgb), tensor(read_photo(image.reference).rgb))
    assert float(measured) == pytest.approx(values[image.image], rel=1e-5)


@pytest.mark.slow
def test_too_few_ratings_are_refused(ratings: Ratings) -> None:
    few = Ratings("few", ratings.images[:20], "")
    with pytest.raises(UsageError, match=r"at least 30 images of 3 scenes .*, but few has 20 of 3"):
        calibrate(few)
    one = Ratings("one", tuple(image for image in ratings.images if image.scene == "cat") * 3, "")
    with pytest.raises(UsageError, match="has 42 of 1"):
        calibrate(one)


def test_other_ratings_are_in_no_fold(ratings: Ratings, tmp_path: Path) -> None:
    assert out_of_fold_scores(ratings) is None
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="side_px"):
        load_parameters(tmp_path / "x.json")


def test_the_shipped_parameters_have_a_summary() -> None:
    shipped = shipped_parameters()
    assert shipped.fitted_to == "hecd"
    assert shipped.n_images == 390
    assert len(shipped.folds) == 6
    assert PARAMETERS_FILE.stat().st_size < 10_000
    assert "each scene left out in turn" in shipped.summary


@pytest.mark.slow
def test_fitting_again_finds_the_shipped_parameters(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every third image, and at the size that was chosen: the figures must be near, and the ratings the same."""
    ratings = load_hecd(full_scenes(shared / "data" / "hecd", tmp_path))
    assert ratings.sha256 == shipped_parameters().ratings_sha256
    third = Ratings(ratings.name, ratings.images[::3], ratings.sha256)
    monkeypatch.setattr(
        "chromalab.evaluation.calibrate.CANDIDATES", tuple(choice for choice in CANDIDATES if choice.side_px == 160)
    )
    fitted = calibrate(third, threads=1)
    assert fitted.pooled_srcc == pytest.approx(shipped_parameters().pooled_srcc, abs=0.1)
