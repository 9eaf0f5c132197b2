"""What every metric must satisfy, whatever it measures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.data import astronaut, coffee

from chromalab.color.spaces import lab_to_rgb, rgb_to_lab
from chromalab.metrics.metric import PhotoMetric, SetMetric
from chromalab.metrics.photo_view import INCEPTION
from chromalab.metrics.registry import METRICS, metric_facts
from chromalab.metrics.scorer import PAIRED, PhotoScorer
from chromalab.weights import manifest
from chromalab.weights.adding import add_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

PER_PHOTO = [
    name for name, metric in METRICS.items() if isinstance(metric, PhotoMetric) and metric.reference != "labels"
]
"""Those that need labels are no measure of a pair: tests/metrics/test_semantic.py has them."""
OF_SETS = [name for name, metric in METRICS.items() if isinstance(metric, SetMetric) and metric.network != INCEPTION]
"""Those over Inception are the same formulas over slower features: tests/metrics/test_inception.py has them."""


@pytest.fixture(scope="session")
def trunks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a weights folder with a trunk of every kind, its weights drawn at random (He et al. 2015).

    What holds for every metric holds over any trunk; the published ones are checked by their known answers elsewhere.
    """
    folder, generator = tmp_path_factory.mktemp("weights"), torch.Generator().manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMALAB_WEIGHTS", str(folder))
        for trunk in manifest.trunks():
            state = {name: he_normal(shape, generator) for name, shape in trunk.shapes.items()}
            save_file(state, file := folder / f"{trunk.name}_random.safetensors")
            add_weights(file)
            file.unlink()
    return folder


def he_normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if len(shape) == 1:
        return torch.zeros(shape)
    return torch.randn(shape, generator=generator) * math.sqrt(2 / math.prod(shape[1:]))


@pytest.fixture
def scorer(name: str, trunks: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoScorer:
    """Return a scorer for the metric `name`."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(trunks))
    scorer = PhotoScorer([name], references=(*PAIRED, "frames"))
    assert list(scorer.metrics) == [name]
    return scorer


def photos(name: str = "") -> Tensor:
    """Return two colorful photographs, (2, 3, 48, 64), or larger ones where the metric `name` asks for it."""
    metric = METRICS[name] if name else None
    needs_large = isinstance(metric, PhotoMetric) and metric.smallest_side_px > 48
    top, left, height, width = (0, 100, 324, 380) if needs_large else (90, 120, 96, 128)
    crops = [photo[top : top + height : 2, left : left + width : 2].copy() for photo in (astronaut(), coffee())]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def with_chroma_noise(rgb: Tensor, amount: float) -> Tensor:
    """Add the same smooth error to (a*, b*) in growing amounts, keeping the lightness."""
    lab = rgb_to_lab(rgb)
    noise = torch.randn(len(rgb), 2, 6, 8, generator=torch.Generator().manual_seed(3))
    noise = torch.nn.functional.interpolate(noise, size=rgb.shape[-2:], mode="bilinear")
    return lab_to_rgb(torch.cat([lab[:, :1], lab[:, 1:] + amount * noise], dim=1)).clamp(0, 1)


def test_the_names_and_their_order_are_permanent() -> None:
    permanent = [
        *("mae", "mse", "rmse", "psnr", "psnr_ab", "ssim", "ms_ssim", "lightness_error", "delta_e_2000"),
        *("hyab", "s_cielab", "auc", "auc_rebalanced", "hue_distance", "colorfulness", "colorfulness_difference"),
        *("delta_colorfulness", "chroma"),
        *("gamut_share", "blotches", "flip", "perceptual_lite0", "lpips_alex", "lpips_squeeze", "lpips_vgg"),
        *("color_perceptual", "frechet_lite0", "kid_lite0", "fid", "kid", "semantic_top1", "cdc", "warp_error"),
    ]
    assert [name for name in METRICS if name in permanent] == permanent


@pytest.mark.parametrize("name", METRICS)
def test_facts_are_complete(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.label
    assert metric.source
    assert metric.formula
    assert "\n" not in metric.formula
    assert metric.low < metric.high
    assert metric.network is None or metric.network in manifest.MANIFEST
    facts = metric_facts()[list(METRICS).index(name)]
    assert facts.name == name
    assert facts.per_photo == isinstance(metric, PhotoMetric)


def test_labels_are_unique() -> None:
    assert len({metric.label for _, metric in METRICS.items()}) == len(METRICS)


@pytest.mark.every_case
@pytest.mark.parametrize("name", PER_PHOTO)
def test_one_float_for_each_photo(name: str, scorer: PhotoScorer) -> None:
    values = scorer.score(with_chroma_noise(photos(name), 20), photos(name))[name]
    assert values.shape == (2,)
    assert values.dtype == torch.float64
    assert values.isfinite().all()


@pytest.mark.every_case
@pytest.mark.parametrize("name", PER_PHOTO)
def test_identical_images_are_the_optimum(name: str, scorer: PhotoScorer) -> None:
    metric, values = METRICS[name], scorer.score(photos(name), photos(name))[name]
    best = {"lower": torch.full((2,), metric.low), "higher": torch.full((2,), metric.high)}
    expected = (
        scorer.score_truth(photos(name))[name] if metric.direction == "closer" else best[metric.direction].double()
    )
    torch.testing.assert_close(values, expected, atol=1e-9, rtol=0)


def smallest_side(name: str) -> int:
    metric = METRICS[name]
    assert isinstance(metric, PhotoMetric)
    return metric.smallest_side_px


EXTREMES = {
    "black and black": (0.0, 0.0),
    "white and white": (1.0, 1.0),
    "gray and gray": (0.5, 0.5),
    "black and white": (0.0, 1.0),
    "white and black": (1.0, 0.0),
}


@pytest.mark.parametrize("case", EXTREMES)
@pytest.mark.parametrize("name", PER_PHOTO)
def test_flat_images_stay_in_the_range_and_are_never_nan(name: str, scorer: PhotoScorer, case: str) -> None:
    side = max(40, smallest_side(name))
    preds, target = (torch.full((1, 3, side, side), level) for level in EXTREMES[case])
    (value,) = scorer.score(preds, target)[name].tolist()
    assert METRICS[name].low - 1e-9 <= value <= METRICS[name].high + 1e-9


@pytest.mark.parametrize("name", PER_PHOTO)
def test_noise_stays_in_the_range(name: str, scorer: PhotoScorer) -> None:
    side = max(40, smallest_side(name))
    preds, target = torch.rand(2, 3, 3, side, side, generator=torch.Generator().manual_seed(0))
    values = scorer.score(preds, target)[name]
    assert METRICS[name].low <= values.min()
    assert values.max() <= METRICS[name].high


@pytest.mark.slow
@pytest.mark.parametrize("name", PER_PHOTO)
def test_growing_chroma_noise_is_worse_and_worse(name: str, scorer: PhotoScorer) -> None:
    direction, truth = METRICS[name].direction, scorer.score_truth(photos(name))
    faults = []
    for amount in (5.0, 15.0, 30.0):
        values = scorer.score(with_chroma_noise(photos(name), amount), photos(name))[name]
        faults.append({"lower": values, "higher": -values, "closer": (values - truth.get(name, 0)).abs()}[direction])
    assert (faults[0] < faults[1]).all()
    assert (faults[1] < faults[2]).all()


@pytest.mark.parametrize("name", PER_PHOTO)
def test_batches_equal_single_photos(name: str, scorer: PhotoScorer) -> None:
    preds, target = with_chroma_noise(photos(name), 20), photos(name)
    whole = scorer.score(preds, target)[name]
    singles = [scorer.score(preds[i : i + 1], target[i : i + 1])[name] for i in range(2)]
    torch.testing.assert_close(torch.cat(singles), whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", PER_PHOTO)
def test_the_smallest_photo_has_a_value_and_a_smaller_one_a_reason(name: str, scorer: PhotoScorer) -> None:
    metric = METRICS[name]
    assert isinstance(metric, PhotoMetric)
    side = metric.smallest_side_px
    preds, target = torch.rand(2, 1, 3, side, side + 5, generator=torch.Generator().manual_seed(0))
    assert scorer.score(preds, target)[name].isfinite().all()
    if side > 1:
        small = target[:, :, : side - 1]
        assert name not in scorer.score(small, small)
        assert f"at least {side} px" in scorer.too_small(side - 1, side + 5)[name]
        with pytest.raises(ValueError, match=f"at least {side} px"):
            metric(small, small)


@pytest.mark.parametrize("name", PER_PHOTO)
def test_a_metric_can_be_called_by_itself(name: str, scorer: PhotoScorer) -> None:
    metric = METRICS[name]
    assert isinstance(metric, PhotoMetric)
    preds = with_chroma_noise(photos(name), 20)
    torch.testing.assert_close(metric(preds, photos(name)).double(), scorer.score(preds, photos(name))[name])


def many(n: int, *, seed: int) -> Tensor:
    """Return n crops of the photographs with their colors mixed anew, (n, 3, 32, 32)."""
    generator = torch.Generator().manual_seed(seed)
    crops = photos()[torch.arange(n) % 2, :, 8:40, 16:48]
    mix = torch.softmax(4 * torch.eye(3) + 2 * torch.randn(n, 3, 3, generator=generator), dim=-1)
    return torch.einsum("nij,njhw->nihw", mix, crops)


@pytest.mark.parametrize("name", OF_SETS)
def test_sets_collected_in_pieces_equal_the_whole(name: str, scorer: PhotoScorer) -> None:
    preds, target = many(45, seed=1), many(45, seed=2)
    whole, pieces = scorer.new_sets(), scorer.new_sets()
    scorer.score(preds, target, whole)
    for start in range(0, 45, 7):
        scorer.score(preds[start : start + 7], target[start : start + 7], pieces)
    found, expected = pieces.compute()[name], whole.compute()[name]
    assert found.n == expected.n == 45
    assert found.value == pytest.approx(expected.value, rel=1e-5)
    assert found.replicates == pytest.approx(expected.replicates, rel=1e-4)


@pytest.mark.parametrize("name", OF_SETS)
def test_a_set_against_itself_is_the_optimum(name: str, scorer: PhotoScorer) -> None:
    sets = scorer.new_sets()
    scorer.score(many(40, seed=1), many(40, seed=1), sets)
    found = sets.compute()[name]
    assert found.value is not None
    best = found.truth if METRICS[name].direction == "closer" else max(METRICS[name].low, 0)
    unbiased = math.isinf(METRICS[name].low)  # and so below 0 for equal sets
    assert found.value <= 0 if unbiased else math.isclose(found.value, best or 0.0, abs_tol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SETS)
def test_growing_chroma_noise_is_worse_and_worse_for_sets(name: str, scorer: PhotoScorer) -> None:
    target, values = many(40, seed=1), []
    for amount in (5.0, 20.0, 60.0):
        sets = scorer.new_sets()
        scorer.score(with_chroma_noise(target, amount), target, sets)
        found = sets.compute()[name]
        assert found.value is not None
        values.append(abs(found.value - (found.truth or 0.0)) if found.truth is not None else found.value)
    assert values == sorted(values)
    assert values[0] != values[2]
