"""The ab bins: the published list, colors to bins and back, and the weights of rare colors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.spatial
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.autograd import gradcheck

from chromalab.color.bins import (
    BIN_CENTERS,
    BIN_COUNT,
    PriorRecord,
    load_prior,
    nearest_bins,
    rebalancing_weights,
    smooth_prior,
)
from chromalab.color.bins_torch import annealed_mean, at_resolution, soft_encode
from chromalab.core.errors import ConfigError

PUBLISHED = {
    -90: (5, 50), -80: (8, 20), -70: (10, 0), -60: (12, -20), -50: (14, -30), -40: (15, -40), -30: (16, -50),
    -20: (16, -50), -10: (17, -60), 0: (18, -70), 10: (18, -80), 20: (18, -80), 30: (19, -90), 40: (20, -100),
    50: (19, -100), 60: (20, -110), 70: (20, -110), 80: (19, -110), 90: (19, -110), 100: (10, -90),
}  # fmt: skip
"""Number of bins and first b* for each a*, counted in a public port's list of pts_in_hull.npy."""


def colors(count: int, reach: float = 115.0, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-reach, reach, (count, 2))


def distribution(seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.full(BIN_COUNT, 0.05))


def test_the_bins_are_the_published_ones_in_their_order() -> None:
    expected = [(a, first + 10 * step) for a, (count, first) in PUBLISHED.items() for step in range(count)]
    assert BIN_COUNT == 313
    assert BIN_CENTERS.tolist() == [list(center) for center in expected]


def test_the_bins_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        BIN_CENTERS[0] = 0


@pytest.mark.slow
@pytest.mark.parametrize("reach", [60, 115, 500])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_nearest_bin_equals_that_of_a_search_tree(reach: float, dtype: type[np.floating]) -> None:
    ab = colors(20000, reach).astype(dtype)
    distance, expected = scipy.spatial.cKDTree(BIN_CENTERS).query(ab)
    found = nearest_bins(ab.reshape(100, 200, 2))
    assert found.shape == (100, 200)
    differ = found.ravel() != expected
    # rounding decides between bins at nearly the same distance
    np.testing.assert_allclose(np.hypot(*(ab - BIN_CENTERS[found.ravel()]).T)[differ], distance[differ], rtol=1e-5)
    assert differ.mean() < 1e-3


def test_every_bin_is_nearest_to_itself() -> None:
    assert nearest_bins(BIN_CENTERS).tolist() == list(range(BIN_COUNT))


def test_smoothing_distributes_the_probability_of_a_bin() -> None:
    # Far from the border the neighbors of (0, 0) form a full grid, so the sum of the Gaussian is a product of two sums.
    p = np.zeros(BIN_COUNT)
    p[nearest_bins(np.array([0.0, 0.0]))] = 1
    smooth = smooth_prior(p)
    line = sum(np.exp(-((10 * step) ** 2) / 50) for step in range(-6, 7))
    np.testing.assert_allclose(smooth[nearest_bins(np.array([0.0, 0.0]))], 1 / line**2, rtol=1e-12)
    np.testing.assert_allclose(smooth[nearest_bins(np.array([10.0, 0.0]))], np.exp(-2) / line**2, rtol=1e-12)
    np.testing.assert_allclose(smooth[nearest_bins(np.array([-10.0, 20.0]))], np.exp(-10) / line**2, rtol=1e-12)


@given(seed=st.integers(0, 1000))
def test_smoothing_preserves_the_sum(seed: int) -> None:
    smooth = smooth_prior(distribution(seed))
    assert smooth.sum() == pytest.approx(1, abs=1e-12)
    assert smooth.min() >= 0


def test_zero_width_does_not_smooth() -> None:
    np.testing.assert_allclose(smooth_prior(distribution(), sigma=0.5), distribution(), atol=1e-15)


@given(seed=st.integers(0, 1000), share=st.floats(0.01, 1))
def test_weights_average_to_one_and_are_larger_for_rarer_colors(seed: int, share: float) -> None:
    p = distribution(seed)
    weights = rebalancing_weights(p, share)
    assert p @ weights == pytest.approx(1, abs=1e-9)
    order = np.argsort(p)
    assert (np.diff(weights[order]) <= 1e-12).all()


def test_weights_are_one_without_rebalancing() -> None:
    np.testing.assert_allclose(rebalancing_weights(distribution(), 1.0), 1, rtol=1e-12)
    np.testing.assert_allclose(rebalancing_weights(np.full(BIN_COUNT, 1 / BIN_COUNT)), 1, rtol=1e-12)


def test_weights_of_two_colors_equal_manual_calculation() -> None:
    # Half of the pixels in one bin and half in another: with u = 1/313 both have w = 1, because only they contribute to
    # the expectation; empty bins have ((.5 * .5 + .5 u) / (.5 u)) = 1 + .5 / u = 157.5.
    p = np.zeros(BIN_COUNT)
    p[[3, 200]] = 0.5
    weights = rebalancing_weights(p)
    np.testing.assert_allclose(weights[[3, 200]], 1, rtol=1e-12)
    np.testing.assert_allclose(np.delete(weights, [3, 200]), 157.5, rtol=1e-12)


def record(**changes: object) -> PriorRecord:
    counts = [0] * BIN_COUNT
    counts[10], counts[20] = 3, 1
    fields = {"counts": counts, "n_photos": 1, "n_pixels": 4, "size_px": 2, **changes}
    return PriorRecord.parse(fields, origin="a test")


def test_a_prior_can_be_saved_and_loaded(tmp_path: Path) -> None:
    record(source="photos").save(tmp_path / "prior.json")
    assert PriorRecord.load(tmp_path / "prior.json") == record(source="photos")
    assert record().raw_probabilities[[10, 20]].tolist() == [0.75, 0.25]
    np.testing.assert_array_equal(load_prior(tmp_path / "prior.json"), smooth_prior(record().raw_probabilities))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_pixels": 5}, "the counts sum to 4, and n_pixels is 5"),
        ({"counts": [1] * 312, "n_pixels": 312}, "counts: .* at least 313"),
        ({"counts": [-1] + [5] * 312}, "counts.0: "),
        ({"bins": "mine"}, "bins: "),
    ],
)
def test_an_invalid_prior_is_rejected(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        record(**changes)


def test_a_published_prior_is_not_smoothed_again(tmp_path: Path) -> None:
    np.save(tmp_path / "prior_probs.npy", distribution().astype(np.float32))
    found = load_prior(tmp_path / "prior_probs.npy")
    np.testing.assert_allclose(found, distribution(), rtol=1e-6, atol=1e-9)
    assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full(529, 1 / 529), r"shape is \(529,\), and one number for each of 313"),
        (np.where(np.arange(313) == 7, -0.1, 1 / 313), "no probabilities: that of bin 7 is -0.1"),
        (np.where(np.arange(313) == 5, np.nan, 1 / 313), "no probabilities: that of bin 5 is not finite"),
        (np.full(313, 1.0), "no probabilities: they sum to 313"),
        (np.array([None] * 313), "can't be read as a NumPy file of numbers"),
        (np.array(["a"] * 313), "can't be read as a NumPy file of numbers"),
    ],
)
def test_invalid_numbers_are_rejected(tmp_path: Path, values: NDArray[np.generic], message: str) -> None:
    np.save(tmp_path / "prior.npy", values)
    with pytest.raises(ConfigError, match=message):
        load_prior(tmp_path / "prior.npy")


def test_invalid_files_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("text.npy", "empty.npy"):
        with pytest.raises(ConfigError, match="can't be read as a NumPy file"):
            load_prior(tmp_path / name)
    for name in ("gone.npy", "gone.json"):
        with pytest.raises(ConfigError, match="no such file"):
            load_prior(tmp_path / name)
    with pytest.raises(ConfigError, match=r"a prior is a \.json file"):
        load_prior(tmp_path / "prior.txt")


def brute_force(ab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the soft encoding of colors (N, 2) as full distributions (N, 313)."""
    distance, index = scipy.spatial.cKDTree(BIN_CENTERS).query(ab, k=5)
    dense = np.zeros((len(ab), BIN_COUNT))
    np.put_along_axis(dense, index, scipy.special.softmax(-(distance**2) / 50, axis=1), axis=1)
    return dense


@pytest.mark.parametrize("reach", [60, 110, 118, 400])
def test_soft_encoding_equals_that_of_a_search_tree(reach: float) -> None:
    ab = colors(6000, reach)
    index, weights = soft_encode(torch.from_numpy(ab.reshape(2, 50, 60, 2)).permute(0, 3, 1, 2))
    assert index.shape == weights.shape == (2, 5, 50, 60)
    dense = torch.zeros(2, BIN_COUNT, 50, 60, dtype=torch.float64).scatter_(1, index, weights)
    expected = brute_force(ab)
    np.testing.assert_allclose(dense.permute(0, 2, 3, 1).reshape(-1, BIN_COUNT).numpy(), expected, atol=1e-9)


def test_soft_encoding_at_the_bins_and_at_the_corners_of_cells() -> None:
    # The choice among bins at equal distances is arbitrary, but the weights are determined.
    ab = np.concatenate(
        [BIN_CENTERS, BIN_CENTERS + 5, BIN_CENTERS + np.array([5, 0]), [(0, 0), (110, 110), (-110, -110)]]
    )
    index, weights = soft_encode(torch.from_numpy(ab).T.reshape(1, 2, 1, -1))
    expected = -np.sort(-brute_force(ab), axis=1)[:, :5]
    np.testing.assert_allclose(weights[0, :, 0].T.numpy(), expected, atol=1e-9)
    assert index[0, 0, 0, :BIN_COUNT].tolist() == list(range(BIN_COUNT))


def test_soft_encoding_equals_manual_calculation() -> None:
    # (2, 1) has squared distances of 5, 65, 85, 125 and 145 from (0,0), (10,0), (0,10), (0,-10) and (-10,0).
    index, weights = soft_encode(torch.tensor([2.0, 1.0], dtype=torch.float64).reshape(1, 2, 1, 1))
    assert BIN_CENTERS[index.flatten()].tolist() == [[0, 0], [10, 0], [0, 10], [0, -10], [-10, 0]]
    powers = np.exp([-5 / 50, -65 / 50, -85 / 50, -125 / 50, -145 / 50])
    np.testing.assert_allclose(weights.flatten().numpy(), powers / powers.sum(), rtol=1e-12)


def test_soft_encoding_is_defined_far_from_all_bins() -> None:
    index, weights = soft_encode(torch.tensor([3000.0, -3000.0]).reshape(1, 2, 1, 1))
    assert weights.isfinite().all()
    assert weights.sum() == pytest.approx(1)
    assert BIN_CENTERS[int(index[0, 0])].tolist() == [90, -110]


def test_the_first_bin_of_a_soft_encoding_is_the_nearest() -> None:
    ab = colors(5000)
    index, weights = soft_encode(torch.from_numpy(ab).T.reshape(1, 2, 1, -1))
    np.testing.assert_array_equal(index[0, 0, 0].numpy(), nearest_bins(ab))
    assert (weights.diff(dim=1) <= 0).all()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 9), (1, 3), (4, 2)])
def test_colors_at_low_resolution_are_those_of_central_pixels(height: int, width: int) -> None:
    rows = torch.arange(height, dtype=torch.float32).reshape(1, 1, height, 1).expand(1, 1, height, width)
    size = (-(-height // 4), -(-width // 4))
    taken = at_resolution(rows, size)
    assert taken.shape == (1, 1, *size)
    middle = (torch.arange(size[0]) + 0.5) * height / size[0] - 0.5
    assert (taken[0, 0, :, 0] - middle).abs().max() <= 0.5


def test_colors_at_low_resolution_are_not_mixed() -> None:
    stripes = torch.tensor([0.0, 80.0]).repeat(8).reshape(1, 1, 1, 16).expand(1, 2, 16, 16)
    assert set(at_resolution(stripes, (4, 4)).flatten().tolist()) <= {0.0, 80.0}


def logits(seed: int = 0, size: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, BIN_COUNT, size, size, dtype=torch.float64, generator=generator) * 3


@pytest.mark.parametrize("temperature", [1.0, 0.38, 0.1])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_annealed_mean_equals_its_definition(temperature: float, memory_format: torch.memory_format) -> None:
    z = scipy.special.softmax(logits().numpy(), axis=1)
    annealed = np.exp(np.log(z) / temperature)
    annealed /= annealed.sum(axis=1, keepdims=True)
    expected = np.einsum("bqhw,qc->bchw", annealed, BIN_CENTERS)
    given = logits().contiguous(memory_format=memory_format)
    np.testing.assert_allclose(annealed_mean(given, temperature).numpy(), expected, rtol=1e-9, atol=1e-9)
    with_gradient = annealed_mean(given.requires_grad_(), temperature).detach()
    np.testing.assert_allclose(with_gradient.numpy(), expected, rtol=1e-9, atol=1e-9)


def test_the_annealed_mean_approaches_the_mode() -> None:
    mode = torch.from_numpy(BIN_CENTERS[logits().argmax(dim=1).numpy()]).permute(0, 3, 1, 2)
    for temperature in (1e-3, 1e-30, 1e-320):
        torch.testing.assert_close(annealed_mean(logits(), temperature), mode, atol=1e-6, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_the_annealed_mean(memory_format: torch.memory_format) -> None:
    given = logits(size=2)[:1].contiguous(memory_format=memory_format).requires_grad_()
    assert gradcheck(annealed_mean, (given,), fast_mode=True)


@pytest.mark.parametrize("size", [1e4, 3e38])
def test_huge_logits_have_a_finite_mean_and_gradient(size: float) -> None:
    given = torch.full((1, BIN_COUNT, 1, 1), -size)
    given[0, 17] = size
    given.requires_grad_()
    mean = annealed_mean(given)
    assert mean.flatten().tolist() == BIN_CENTERS[17].tolist()
    mean.sum().backward()
    assert given.grad is not None
    assert given.grad.isfinite().all()


def test_the_mean_of_half_precision_logits_is_single_precision() -> None:
    given = logits().float()
    expected = annealed_mean(given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(annealed_mean(given), expected)
        assert annealed_mean(given.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        annealed_mean(logits(), temperature)


def test_decoding_nearly_inverts_encoding() -> None:
    # On a full grid the mean of the Gaussian is the color, apart from the omitted neighbors.
    ab = colors(200, 30)
    index, weights = soft_encode(torch.from_numpy(ab).T.reshape(1, 2, 1, -1))
    log_shares = torch.full((1, BIN_COUNT, 1, 200), -1e9, dtype=torch.float64).scatter_(1, index, weights.log())
    decoded = annealed_mean(log_shares, 1.0)[0, :, 0].T.numpy()
    assert np.abs(decoded - ab).max() < 1
