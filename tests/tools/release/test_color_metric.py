"""The trial of a color metric with two weights, on made-up ratings whose cause is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from chromalab.color.spaces import lab_to_rgb
from tests.tools.release.made_up_distances import PARTS, RATIO, made_up, record_of
from tools.release.color_metric import TODAY, difference, fitted_weights, without_shift


@pytest.mark.slow
def test_planted_weights_are_recovered_and_win() -> None:
    record = record_of(made_up("planted"))
    candidate = record.candidates["lite0_two_weights"]
    assert candidate.weights.shift / candidate.weights.features == pytest.approx(RATIO, rel=0.3)
    assert candidate.replaces
    assert record.metrics["lite0_two_weights"].mean["all"] > 0.95
    assert set(record.metrics["lite0_two_weights"].scenes["not_designed_on"]) == {"scene2", "scene3", "scene4"}


@pytest.mark.slow
def test_todays_metric_stays_if_people_follow_it() -> None:
    record = record_of(made_up(TODAY))
    assert not any(candidate.replaces for candidate in record.candidates.values())
    assert record.metrics[TODAY].mean["all"] == pytest.approx(1)
    assert record.metrics[TODAY].against["all"]["lpips_alex"].low > 0


@pytest.mark.slow
def test_no_weight_is_fitted_to_the_scene_that_it_scores() -> None:
    data = made_up("planted")
    differences = data.differences.copy()
    inside = data.scenes[data.rated] == "scene0"
    differences[inside] = -differences[inside]
    changed = replace(data, differences=differences)
    assert fitted_weights(changed, PARTS, without="scene0") == fitted_weights(data, PARTS, without="scene0")
    assert fitted_weights(changed, PARTS, without="scene1") != fitted_weights(data, PARTS, without="scene1")


@pytest.mark.slow
def test_an_effect_of_the_scene_does_not_enter_the_weights() -> None:
    """A scene that people dislike and that has large distances says nothing about images of one scene."""
    data = made_up("shift")
    at = data.scenes == "scene0"
    moved = data.distances | {PARTS[0]: data.distances[PARTS[0]] + 3 * at}
    differences = np.where(at[data.rated], -2, data.differences)
    weights = fitted_weights(replace(data, distances=moved, differences=differences), PARTS)
    assert weights.features < 0.1 * weights.shift * 20


def test_the_bootstrap_pairs_scenes() -> None:
    first, second = {"a": 0.5, "b": 0.1, "c": 0.9}, {"a": 0.4, "b": 0.0, "d": 0.3}
    found = difference(first, second)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    wide = difference({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})
    assert (wide.mean, wide.low, wide.high) == (0, -1, 1)


def test_a_cast_is_removed_and_measured() -> None:
    lab = torch.rand(1, 3, 8, 8, dtype=torch.float64) * torch.tensor([20.0, 10.0, 10.0]).view(3, 1, 1)
    lab[:, 0] += 50
    cast = lab + torch.tensor([0.0, 3.0, 4.0], dtype=torch.float64).view(3, 1, 1)
    truth = lab_to_rgb(lab)
    moved, shift = without_shift(lab_to_rgb(cast), truth)
    assert shift == pytest.approx(5, abs=1e-4)
    assert moved == pytest.approx(truth, abs=1e-5)
