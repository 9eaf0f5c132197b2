"""Agreement with people: against SciPy, closed forms, and what is known of real ratings."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.stats

from chromalab.stats.agreement import (
    krcc,
    pairwise_agreement,
    plcc,
    pooled_srcc,
    rater_ceiling,
    scene_srcc,
    srcc,
)

if TYPE_CHECKING:
    from pathlib import Path


def data(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, list[str]]:
    generator = np.random.default_rng(seed)
    people = generator.normal(size=n)
    metric = np.round(people + generator.normal(size=n), 1)  # rounded, so that there are ties
    return metric, people, [f"scene{index % 5}" for index in range(n)]


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlations_are_scipys(seed: int) -> None:
    metric, people, _ = data(seed)
    assert srcc(metric, people) == pytest.approx(scipy.stats.spearmanr(metric, people).statistic)
    assert krcc(metric, people) == pytest.approx(scipy.stats.kendalltau(metric, people).statistic)


def test_constant_numbers_have_no_correlation() -> None:
    flat, people = np.zeros(9), np.arange(9.0)
    assert srcc(flat, people) is krcc(flat, people) is plcc(flat, people) is None
    assert scene_srcc(flat, people, ["a"] * 9).value is None
    assert pairwise_agreement(flat, people, ["a"] * 9) == 0.5


def test_a_logistic_relation_is_straightened() -> None:
    metric = np.linspace(-6, 6, 50)
    people = 3 / (1 + np.exp(-2 * metric)) - 1
    assert scipy.stats.pearsonr(metric, people).statistic < 0.95
    assert plcc(metric, people) == pytest.approx(1, abs=1e-6)
    assert plcc(-metric, people) == pytest.approx(1, abs=1e-6)
    noisy, rated, _ = data(3)
    found = plcc(noisy, rated)
    assert found is not None
    assert scipy.stats.pearsonr(noisy, rated).statistic <= found < 1


def test_pairs_are_compared_within_scenes() -> None:
    metric, people, scenes = data(1)
    hits = asked = 0.0
    for first, second in combinations(range(len(metric)), 2):
        if scenes[first] == scenes[second] and people[first] != people[second]:
            product = (metric[first] - metric[second]) * (people[first] - people[second])
            hits += 0.5 if product == 0 else float(product > 0)
            asked += 1
    assert pairwise_agreement(metric, people, scenes) == pytest.approx(hits / asked)
    assert pairwise_agreement([1, 2], [3, 3], ["a", "a"]) is None


def test_the_mean_over_scenes_is_fishers() -> None:
    metric, people, scenes = data(2)
    own = []
    for scene in sorted(set(scenes)):
        inside = np.array(scenes) == scene
        own.append(scipy.stats.spearmanr(metric[inside], people[inside]).statistic)
    z = np.arctanh(own)
    low, high = scipy.stats.t.interval(0.95, 4, loc=z.mean(), scale=scipy.stats.sem(z))
    found = scene_srcc(metric, people, scenes)
    assert (found.value, found.low, found.high) == pytest.approx((np.tanh(z.mean()), np.tanh(low), np.tanh(high)))


def test_scenes_of_few_images_do_not_decide_the_mean_over_scenes() -> None:
    """Six scenes of three images have a correlation of 1 and four one of -.5, which is .40 on average."""
    metric = [1, 2, 3] * 6 + [2, 3, 1] * 4
    scenes = [f"scene{index // 3}" for index in range(30)]
    found = scene_srcc(metric, [1, 2, 3] * 10, scenes)
    z = np.arctanh([0.75] * 6 + [-0.5] * 4)
    low, high = scipy.stats.t.interval(0.95, 9, loc=z.mean(), scale=scipy.stats.sem(z))
    assert (found.value, found.low, found.high) == pytest.approx((np.tanh(z.mean()), np.tanh(low), np.tanh(high)))
    assert found.value == pytest.approx(0.40, abs=0.06)


@pytest.mark.slow
def test_the_pooled_interval_surrounds_the_value_and_is_the_same_each_time() -> None:
    metric, people, scenes = data(4)
    found = pooled_srcc(metric, people, scenes)
    assert found == pooled_srcc(metric, people, scenes)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low < found.value < found.high
    assert pooled_srcc(metric, people, ["one"] * 60).low is None


@pytest.mark.slow
def test_raters_who_agree_and_raters_who_do_not() -> None:
    generator = np.random.default_rng(0)
    raters = [f"r{rater}" for rater in range(20) for _ in range(30)]
    images = [f"i{image}" for _ in range(20) for image in range(30)]
    truth = np.tile(np.arange(30.0), 20)
    alike = rater_ceiling(raters, images, truth)
    assert alike is not None
    assert (alike.split_half, alike.corrected, alike.ceiling) == pytest.approx((1, 1, 1))
    many = [f"i{image}" for _ in range(20) for image in range(300)]
    apart = rater_ceiling(np.repeat(raters[::30], 300).tolist(), many, generator.normal(size=6000))
    assert apart is not None
    assert apart.split_half is not None
    assert abs(apart.split_half) < 0.15
    assert rater_ceiling(raters[:90], images[:90], truth[:90]) is None  # three raters


@pytest.mark.slow
def test_halves_follow_spearman_and_brown() -> None:
    """With 2k raters of known noise, halves correlate as k raters' means do, and the corrected value as 2k raters'."""
    generator = np.random.default_rng(1)
    quality, n_raters, n_images, noise = generator.normal(size=400), 16, 400, 2.0
    ratings = quality + noise * generator.normal(size=(n_raters, n_images))
    raters = np.repeat([f"r{rater}" for rater in range(n_raters)], n_images)
    images = np.tile([f"i{image}" for image in range(n_images)], n_raters)
    found = rater_ceiling(raters.tolist(), images.tolist(), ratings.ravel())
    assert found is not None
    for value, raters_behind in ((found.split_half, 8), (found.corrected, 16)):
        pearson = 1 / (1 + noise**2 / raters_behind)
        assert value == pytest.approx(6 / np.pi * np.arcsin(pearson / 2), abs=0.06)  # of normal variables, in ranks


def test_agreement_on_the_hecd_ratings(shared: Path) -> None:
    """One rating against the rest .465; halves .76, corrected .86, root .93; real outputs .25, .55, .71, .84.

    These are known of the six scenes with all of their 65 recolorings; other scenes have 26.
    """
    with (shared / "data" / "hecd" / "ratings_raw.csv").open(encoding="utf-8") as file:
        votes = list(csv.DictReader(file))
    with (shared / "data" / "hecd" / "ratings.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["is_ground_truth"] == "0"]
    recolorings = Counter(row["scene"] for row in rows)
    rows = [row for row in rows if recolorings[row["scene"]] == 65]
    for kept, known in (
        ({row["image"] for row in rows}, (0.465, 0.76, 0.86, 0.93)),
        ({row["image"] for row in rows if row["is_real_colorizer"] == "1"}, (0.25, 0.55, 0.71, 0.84)),
    ):
        chosen = [vote for vote in votes if vote["image"] in kept]
        columns = [[vote[name] for vote in chosen] for name in ("rater", "image")]
        found = rater_ceiling(columns[0], columns[1], [float(vote["diff_z"]) for vote in chosen])
        assert found is not None
        assert (found.single, found.split_half, found.corrected, found.ceiling) == pytest.approx(known, abs=0.03)
