"""Metrics against people on made-up ratings, and known answers on real ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.stats

from chromalab.core.errors import UsageError
from chromalab.evaluation.calibrate import calibrate
from chromalab.evaluation.people import PeopleRecord, validate_metrics
from chromalab.evaluation.ratings import Ratings, load_hecd, load_ratings_csv
from chromalab.photo.writing import write_png
from chromalab.report.people import write_people_report
from tests.evaluation.rated import full_scenes, write_hecd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Ratings:
    return load_hecd(write_hecd(tmp_path_factory.mktemp("rated") / "made_up"))


@pytest.fixture
def no_trunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))


@pytest.mark.slow
def test_rows_are_the_correlations_with_ratings(ratings: Ratings) -> None:
    scores = validate_metrics(ratings, metrics=["mae", "psnr", "chroma"], device="cpu", threads=1)
    people = [image.score for image in ratings.images]
    for name, sign in (("mae", -1), ("psnr", 1)):
        row = scores.record.all[name]
        assert row.srcc == pytest.approx(scipy.stats.spearmanr(sign * scores.columns[name], people).statistic)
        assert row.krcc == pytest.approx(scipy.stats.kendalltau(sign * scores.columns[name], people).statistic)
        assert row.n == 28
    real = [place for place, image in enumerate(ratings.images) if image.is_real]
    expected = scipy.stats.spearmanr(-scores.columns["mae"][real], np.array(people)[real]).statistic
    assert scores.record.real["mae"].srcc == pytest.approx(expected)
    assert scores.record.real["mae"].n == 12
    assert set(scores.record.ceiling) == {"all", "real"}


@pytest.mark.slow
def test_closer_to_the_truths_own_value_is_better(ratings: Ratings) -> None:
    scores = validate_metrics(ratings, metrics=["chroma"], device="cpu", threads=1)
    at = {image.image: place for place, image in enumerate(ratings.images)}
    errors, chroma = scores.errors["chroma"], scores.columns["chroma"]
    assert chroma[at["cat_vivid.png"]] > chroma[at["cat_half.png"]] > chroma[at["cat_grey.png"]]
    assert errors[at["cat_grey.png"]] > errors[at["cat_half.png"]]


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing(ratings: Ratings) -> None:
    one, two = (validate_metrics(ratings, metrics=["ssim", "mae"], device="cpu", threads=n) for n in (1, 3))
    assert one.record == two.record
    assert all(np.array_equal(column, two.columns[name]) for name, column in one.columns.items())


@pytest.mark.slow
def test_values_out_of_fold_take_the_place_of_measured_ones(ratings: Ratings, tmp_path: Path) -> None:
    perfect = {image.image: -image.score for image in ratings.images}
    scores = validate_metrics(
        ratings, metrics=["mae"], device="cpu", threads=1, out_of_fold={"mae": perfect, "not_asked": {}}
    )
    row = scores.record.all["mae"]
    assert (row.srcc, row.pairwise) == pytest.approx((1, 1))
    assert row.scene_srcc == pytest.approx(1 - 6 / (7 * 48))  # seven images per scene
    assert row.out_of_fold
    scores.record.save(tmp_path / "people.json")
    assert PeopleRecord.load(tmp_path / "people.json") == scores.record


def test_a_correlation_after_a_fit_has_no_sign_and_the_report_says_so(ratings: Ratings, tmp_path: Path) -> None:
    worst = {image.image: image.score for image in ratings.images}
    few = Ratings(ratings.name, ratings.images[:7], ratings.sha256)
    scores = validate_metrics(few, metrics=["mae"], device="cpu", threads=1, out_of_fold={"mae": worst})
    row = scores.record.all["mae"]
    assert (row.srcc, row.plcc) == pytest.approx((-1, 1))
    page = write_people_report(scores, tmp_path / "report").read_text(encoding="utf-8")
    assert "All correlations except PLCC are signed" in page


@pytest.mark.slow
def test_taps_are_added_if_all_metrics_are_computed(
    ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    few = Ratings(ratings.name, ratings.images[:4], ratings.sha256)
    scores = validate_metrics(few, device="cpu", threads=1)
    taps = sum(scores.columns[f"perceptual_lite0_tap{number}"] for number in range(1, 6))
    assert taps == pytest.approx(scores.columns["perceptual_lite0"], rel=1e-5)
    assert "semantic_top1" not in scores.columns
    assert scores.record.ceiling == {}
    assert scores.record.real["mae"].reason == "agreement needs at least 3 images with finite values, not 1"


@pytest.mark.slow
@pytest.mark.parametrize("names", [("a_small", "b_large"), ("b_small", "a_large")])
def test_images_that_are_too_small_for_a_metric_do_not_count(names: tuple[str, str], tmp_path: Path) -> None:
    scores = validate_metrics(two_sizes(tmp_path, *names), metrics=["mae", "ms_ssim"], device="cpu", threads=1)
    assert list(scores.columns) == ["mae", "ms_ssim"]
    small = [image.image.startswith(names[0]) for image in scores.ratings.images]
    assert np.isnan(scores.columns["ms_ssim"]).tolist() == small
    assert (scores.record.all["mae"].n, scores.record.all["ms_ssim"].n) == (7, 4)
    assert scores.record.all["ms_ssim"].reason is None


@pytest.mark.slow
def test_a_metric_without_a_value_has_a_reason(tmp_path: Path) -> None:
    ratings = two_sizes(tmp_path, "small", "large")
    few = Ratings(ratings.name, ratings.images[:3], ratings.sha256)
    scores = validate_metrics(few, metrics=["ms_ssim"], device="cpu", threads=1)
    assert scores.record.all["ms_ssim"].reason == "agreement needs at least 3 images with finite values, not 0"
    assert write_people_report(scores, tmp_path / "report").is_file()


def test_images_of_another_size_than_their_reference_are_refused(tmp_path: Path) -> None:
    ratings = two_sizes(tmp_path, "small", "large")
    wrong = replace(ratings.images[0], reference=tmp_path / "large.png")
    mixed = Ratings(ratings.name, (wrong, *ratings.images), ratings.sha256)
    message = r"small_0\.png has 48x40 px and its reference .*large\.png 190x180; bring both to one size"
    with pytest.raises(UsageError, match=message):
        validate_metrics(mixed, metrics=["mae"], device="cpu", threads=1)
    many = Ratings(ratings.name, mixed.images * 5 + tuple(replace(wrong, scene="third") for _ in range(3)), "")
    with pytest.raises(UsageError, match=message):
        calibrate(many, threads=1)


def two_sizes(folder: Path, small: str, large: str) -> Ratings:
    """Return ratings of three small images and four large ones, of two scenes, in this order."""
    rng, rows = np.random.default_rng(0), []
    for scene, size, count in ((small, (40, 48), 3), (large, (180, 190), 4)):
        truth = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
        write_png(folder / f"{scene}.png", truth)
        for number in range(count):
            write_png(folder / f"{scene}_{number}.png", (truth * (0.9 - 0.2 * number)).astype(np.uint8))
            rows.append(f"{scene}_{number}.png,{scene}.png,{-number}\n")
    (folder / "own.csv").write_text("image,reference,score\n" + "".join(rows), encoding="utf-8")
    return load_ratings_csv(folder / "own.csv")


def test_unavailable_metrics_are_an_error(ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    with pytest.raises(UsageError, match="chromalab weights add"):
        validate_metrics(ratings, metrics=["lpips_alex"])
    with pytest.raises(UsageError, match="name at least one metric of single photos"):
        validate_metrics(ratings, metrics=["frechet_lite0"])


@pytest.mark.slow
def test_known_answers_on_real_ratings(shared: Path, tmp_path: Path) -> None:
    """On other subsets of this set PSNR reaches .378, PSNR of ab .406; each is about .1 wide at 390 images."""
    ratings = load_hecd(full_scenes(shared / "data" / "hecd", tmp_path))
    scores = validate_metrics(ratings, metrics=["mse", "psnr", "psnr_ab"], device="cpu", threads=1)
    record = scores.record
    assert (record.n_images, record.n_real, record.n_scenes) == (390, 36, 6)
    assert record.all["mse"].srcc == pytest.approx(record.all["psnr"].srcc)
    assert record.all["psnr"].srcc == pytest.approx(0.378, abs=0.1)
    assert record.all["psnr_ab"].srcc == pytest.approx(0.406, abs=0.1)
    assert record.ceiling["all"].split_half == pytest.approx(0.76, abs=0.02)
