"""The Fréchet distance against closed forms and SciPy's matrix square root."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.image.kid import poly_mmd

from chromalab.functional import distribution
from chromalab.functional.distribution import (
    Moments,
    color_distribution_consistency,
    frechet_distance,
    js_divergence,
    kernel_sums,
    squared_mmd,
    trace_sqrt_product,
)


def sample(seed: int, n: int, dimensions: int) -> np.ndarray:
    """Return correlated vectors (n, dimensions) whose mean is not zero."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + rng.normal(size=dimensions)


def distance_by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    """Return the textbook formula, with SciPy's square root of the product."""
    covariances = [np.cov(features.T) for features in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    shift = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    return float(shift + np.trace(covariances[0] + covariances[1] - 2 * root))


def test_moments_are_those_of_numpy() -> None:
    features = sample(0, 50, 6)
    moments = Moments.of(features)
    np.testing.assert_allclose(moments.mean, features.mean(axis=0))
    np.testing.assert_allclose(moments.covariance, np.cov(features.T))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 30))
def test_moments_add_up_and_subtract(seed: int, cut: int) -> None:
    features = sample(seed, 30, 4)
    whole, first, second = Moments.of(features), Moments.of(features[:cut]), Moments.of(features[cut:])
    for together in (first + second, whole + Moments.zero(4), whole + first - first):
        assert together.n == 30
        np.testing.assert_allclose(together.outer, whole.outer, atol=1e-9)
        np.testing.assert_allclose(together.total, whole.total, atol=1e-9)


@pytest.mark.parametrize("dimensions", [1, 3, 20])
def test_it_equals_the_textbook_formula(dimensions: int) -> None:
    first, second = sample(1, 200, dimensions), sample(2, 150, dimensions)
    if dimensions == 1:
        expected = (first.mean() - second.mean()) ** 2 + (first.std(ddof=1) - second.std(ddof=1)) ** 2
    else:
        expected = distance_by_scipy(first, second)
    assert frechet_distance(Moments.of(first), Moments.of(second)) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=6))
def test_diagonal_covariances_have_a_closed_form(deviations: list[tuple[float, float]]) -> None:
    first, second = np.array(deviations).T
    expected = (first * second).sum()
    assert trace_sqrt_product(np.diag(first**2), np.diag(second**2)) == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_a_shift_is_its_squared_length() -> None:
    features = sample(3, 40, 5)
    shifted = features + np.array([3.0, 0, 0, 4.0, 0])
    assert frechet_distance(Moments.of(features), Moments.of(shifted)) == pytest.approx(25.0, rel=1e-9)


def test_a_scaling_about_the_mean_has_a_closed_form() -> None:
    features = sample(4, 40, 5)
    features -= features.mean(axis=0)
    expected = np.trace(np.cov(features.T))  # (2 - 1)^2 of every variance
    assert frechet_distance(Moments.of(features), Moments.of(2 * features)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [2, 10, 400])
def test_equal_sets_have_distance_zero_even_with_fewer_vectors_than_features(n: int) -> None:
    moments = Moments.of(sample(5, n, 64))
    assert frechet_distance(moments, moments) == pytest.approx(0, abs=1e-9 * np.trace(moments.covariance))


def test_singular_covariances_keep_their_digits() -> None:
    """With n vectors the root's trace can be had from an n by n matrix: the nuclear norm of the centered products."""
    first, second = sample(6, 12, 64), sample(7, 12, 64)
    centered = [features - features.mean(axis=0) for features in (first, second)]
    root_trace = np.linalg.svd(centered[0] @ centered[1].T, compute_uv=False).sum() / 11
    covariances = [Moments.of(features).covariance for features in (first, second)]
    assert trace_sqrt_product(*covariances) == pytest.approx(root_trace, rel=1e-7)


def test_it_is_symmetric() -> None:
    first, second = Moments.of(sample(8, 30, 7)), Moments.of(sample(9, 40, 7))
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-9)


def test_one_vector_has_no_covariance() -> None:
    one, many = Moments.of(sample(1, 1, 3)), Moments.of(sample(2, 9, 3))
    with pytest.raises(ValueError, match="at least two vectors, not 1"):
        frechet_distance(one, many)


def test_different_features_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many features, not 3 and 4"):
        frechet_distance(Moments.of(sample(1, 9, 3)), Moments.of(sample(2, 9, 4)))


def vectors(seed: int, n: int, dimensions: int = 5) -> torch.Tensor:
    return torch.randn(n, dimensions, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def literal(preds: torch.Tensor, target: torch.Tensor) -> float:
    """Return Bińkowski et al.'s eq. 4, pair by pair."""

    def k(x: torch.Tensor, y: torch.Tensor) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(preds), len(target)
    among_preds = sum(k(preds[i], preds[j]) for i, j in product(range(n), repeat=2) if i != j) / (n * (n - 1))
    among_target = sum(k(target[i], target[j]) for i, j in product(range(m), repeat=2) if i != j) / (m * (m - 1))
    return among_preds + among_target - 2 * sum(k(x, y) for x in preds for y in target) / (n * m)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (9, 14), (30, 21)])
def test_it_is_the_mean_over_pairs(n: int, m: int) -> None:
    preds, target = vectors(0, n), vectors(1, m) + 0.5
    sums = kernel_sums(preds, target, groups=4)
    assert squared_mmd(sums) == pytest.approx(literal(preds, target), rel=1e-10)


def test_it_agrees_with_torchmetrics() -> None:
    preds, target = vectors(2, 50, 64), vectors(3, 50, 64) + 0.2
    theirs = float(poly_mmd(target, preds, degree=3, gamma=1 / 64, coef=1.0))
    assert squared_mmd(kernel_sums(preds, target, groups=20)) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(7, 40), (16, 33), (40, 5)])
def test_chunks_of_rows_give_the_sums_of_all(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    preds, target = (torch.from_numpy(sample(seed, count, 6)) for seed, count in enumerate((n, m)))
    whole = kernel_sums(preds, target, groups=5)
    members = [torch.nn.functional.one_hot(torch.arange(count) % 5, 5).double() for count in (n, m)]
    kernels = [(x @ y.T / 6 + 1) ** 3 for x, y in ((preds, preds), (target, target), (preds, target))]
    torch.testing.assert_close(whole.preds, members[0].T @ kernels[0] @ members[0])
    torch.testing.assert_close(whole.target, members[1].T @ kernels[1] @ members[1])
    torch.testing.assert_close(whole.cross, members[0].T @ kernels[2] @ members[1])
    monkeypatch.setattr(distribution, "KERNEL_ROWS", 8)
    for chunked, expected in zip(kernel_sums(preds, target, groups=5), whole, strict=True):
        torch.testing.assert_close(chunked, expected, rtol=1e-12, atol=1e-9)


def test_leaving_out_a_group_equals_the_sums_without_it() -> None:
    preds, target = vectors(4, 23), vectors(5, 31) * 2
    sums = kernel_sums(preds, target, groups=5)
    for group in range(5):
        kept, target_kept = (rows[torch.arange(len(rows)) % 5 != group] for rows in (preds, target))
        assert squared_mmd(sums, without=group) == pytest.approx(literal(kept, target_kept), rel=1e-10)


def histograms(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(256, 0.1), size=(frames, 3))


def test_the_divergence_is_scipys() -> None:
    first, second = histograms(2)
    expected = scipy.spatial.distance.jensenshannon(first, second, axis=-1) ** 2
    assert js_divergence(first, second) == pytest.approx(expected)


def test_the_index_is_the_mean_over_steps_frames_and_channels() -> None:
    frames = histograms(9)
    expected = np.mean(
        [
            np.mean(
                [
                    scipy.spatial.distance.jensenshannon(frames[i, channel], frames[i + step, channel]) ** 2
                    for i in range(9 - step)
                    for channel in range(3)
                ]
            )
            for step in (1, 2, 4)
        ]
    )
    assert color_distribution_consistency(frames) == pytest.approx(expected)


def test_closed_forms() -> None:
    still = np.repeat(histograms(1), 6, axis=0)
    assert color_distribution_consistency(still) == 0
    flicker = np.zeros((10, 3, 256))
    flicker[np.arange(10), :, np.arange(10) % 2 * 200] = 1  # each frame shares no level with the next
    assert color_distribution_consistency(flicker) == pytest.approx(math.log(2) / 3)
    with pytest.raises(ValueError, match="at least 5 frames, not 4"):
        color_distribution_consistency(still[:4])
