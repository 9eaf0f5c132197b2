"""The scorer: one load, one pass, and metrics that can't be had."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import pytest
import skimage.color
import skimage.metrics
import torch
from skimage.data import astronaut

from chromalab.color.spaces import lab_to_rgb, rgb_to_lab
from chromalab.core.errors import UnknownNameError
from chromalab.functional.perceptual import LPIPS, Lite0Distance
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.photo_view import LITE0
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import list_photos, read_photo
from chromalab.weights.adding import add_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from chromalab.nets.efficientnet_lite import EfficientNetLite

PIXEL_METRICS = ["mae", "mse", "psnr", "ssim", "delta_e_2000", "colorfulness", "colorfulness_difference", "chroma"]


def photo_and_desaturated() -> tuple[Tensor, Tensor]:
    """Return a photograph with a third of its color, and the photograph, (1, 3, 80, 100) of 8-bit values / 255."""
    target = torch.from_numpy(astronaut()[100:180, 150:250].copy()).permute(2, 0, 1)[None].double()
    grey = target.mean(dim=1, keepdim=True)
    preds = (grey + (target - grey) / 3).round()
    return preds.float() / 255, target.float() / 255


@pytest.fixture
def no_trunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))


@pytest.mark.usefixtures("no_trunks")
def test_without_trunks_lpips_is_unavailable_with_the_way_to_get_it() -> None:
    scorer = PhotoScorer()
    assert list(scorer.unavailable) == [
        *("lpips_alex", "lpips_squeeze", "lpips_vgg", "fid", "kid", "semantic_top1", "cdc", "warp_error"),
    ]
    for name in ("lpips_alex", "lpips_squeeze", "lpips_vgg", "fid", "kid"):
        assert "chromalab weights add" in scorer.unavailable[name]
    assert {*PIXEL_METRICS, "perceptual_lite0", "frechet_lite0", "kid_lite0"} <= set(scorer.metrics)
    assert list(scorer.weights()) == ["efficientnet_lite0"]


def test_pixel_metrics_need_no_network() -> None:
    scorer = PhotoScorer(PIXEL_METRICS)
    assert scorer.unavailable == {}
    assert scorer.weights() == {}
    assert scorer.new_sets().compute() == {}


def test_the_order_is_the_registrys() -> None:
    assert list(PhotoScorer(["ssim", "mae", "mae"]).metrics) == ["mae", "ssim"]


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'psnr'"):
        PhotoScorer(["psnrr"])


def test_values_equal_those_of_scikit_image() -> None:
    preds, target = photo_and_desaturated()
    ours = {name: float(values) for name, values in PhotoScorer(PIXEL_METRICS).score(preds, target).items()}
    x, y = (rgb[0].permute(1, 2, 0).double().numpy() for rgb in (preds, target))
    x_lab, y_lab = skimage.color.rgb2lab(x), skimage.color.rgb2lab(y)
    assert ours["mse"] == pytest.approx(skimage.metrics.mean_squared_error(x, y), abs=1e-9)
    assert ours["psnr"] == pytest.approx(skimage.metrics.peak_signal_noise_ratio(y, x, data_range=1), abs=1e-6)
    assert ours["delta_e_2000"] == pytest.approx(skimage.color.deltaE_ciede2000(x_lab, y_lab).mean(), abs=1e-4)
    assert ours["chroma"] == pytest.approx(skimage.color.lab2lch(x_lab)[..., 1].mean(), abs=1e-2)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    ssim = skimage.metrics.structural_similarity(x, y, channel_axis=-1, **settings)
    assert ours["ssim"] == pytest.approx(ssim, abs=1e-6)


def test_colorfulness_of_a_third_of_the_color_is_a_third() -> None:
    preds, target = photo_and_desaturated()
    scorer = PhotoScorer(["colorfulness", "colorfulness_difference"])
    values, truth = scorer.score(preds, target), scorer.score_truth(target)
    assert list(truth) == ["colorfulness"]
    assert values["colorfulness"].item() == pytest.approx(truth["colorfulness"].item() / 3, rel=0.01)
    assert values["colorfulness_difference"].item() == pytest.approx(truth["colorfulness"].item() * 2 / 3, rel=0.01)


@pytest.mark.slow
def test_the_perceptual_metric_is_the_distance_that_losses_use() -> None:
    preds, target = photo_and_desaturated()
    scorer = PhotoScorer(["perceptual_lite0", "frechet_lite0"])
    distance = Lite0Distance()
    expected = distance(preds, target).double()
    torch.testing.assert_close(scorer.score(preds, target)["perceptual_lite0"], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        scorer.view(preds).pooled(LITE0), distance.trunk.taps(preds)[-1].mean(dim=(2, 3)), atol=1e-5, rtol=1e-5
    )


def test_lpips_is_the_distance_that_losses_use(shared: Path, no_trunks: None) -> None:
    stored = add_weights(shared / "data" / "weights" / "squeezenet1_1_features.safetensors")
    preds, target = photo_and_desaturated()
    scorer = PhotoScorer(["lpips_squeeze"])
    expected = LPIPS("squeeze")(preds, target).double()
    torch.testing.assert_close(scorer.score(preds, target)["lpips_squeeze"], expected, atol=1e-6, rtol=1e-5)
    assert list(scorer.weights()) == ["squeezenet1_1", "lpips_linear_squeeze"]
    assert scorer.weights()["squeezenet1_1"] == stored.sha256


@pytest.mark.slow
@pytest.mark.usefixtures("no_trunks")
def test_each_side_passes_a_network_once_and_the_truth_once_for_all_predictions() -> None:
    preds, target = photo_and_desaturated()
    scorer = PhotoScorer(["perceptual_lite0", "frechet_lite0", "kid_lite0"])
    trunk = cast("EfficientNetLite", scorer.networks["efficientnet_lite0"].trunk)
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    hook = next(trunk.children()).register_forward_hook(count)
    truth, sets = scorer.view(target), scorer.new_sets()
    scorer.score(preds, truth, sets)
    assert passes == 2
    scorer.score(target, truth, sets)
    assert passes == 3
    hook.remove()
    assert sets.compute()["frechet_lite0"].n == 2


def test_a_view_gives_the_same_scores_as_its_photos() -> None:
    preds, target = photo_and_desaturated()
    scorer = PhotoScorer(PIXEL_METRICS)
    by_view = scorer.score(scorer.view(preds), scorer.view(target))
    for name, values in scorer.score(preds, target).items():
        torch.testing.assert_close(by_view[name], values)


def test_pairs_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        PhotoScorer(["mae"]).score(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


@pytest.mark.slow
def test_a_single_pixel_has_all_metrics_that_are_defined() -> None:
    scorer = PhotoScorer([*PIXEL_METRICS, "perceptual_lite0"])
    values = scorer.score(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    assert "ssim" not in values
    assert scorer.too_small(1, 1) == {"ssim": "SSIM needs at least 11 px on each side, not 1x1"}
    assert values["delta_e_2000"].item() == pytest.approx(100, abs=1e-3)
    assert all(value.isfinite().all() for value in values.values())


@pytest.mark.slow
def test_gradients_reach_the_prediction_outside_the_scorer() -> None:
    preds, target = photo_and_desaturated()
    for name in ("ssim", "delta_e_2000", "perceptual_lite0"):
        metric = METRICS[name]
        assert isinstance(metric, PhotoMetric)
        leaf = preds.clone().requires_grad_()
        metric(leaf, target).sum().backward()
        assert leaf.grad is not None
        assert math.isfinite(leaf.grad.abs().sum().item())
        assert leaf.grad.abs().sum() > 0


@pytest.mark.slow
def test_less_color_ranks_worse_on_photos(shared: Path) -> None:
    """Photographs with 85%, 50% and none of their chroma, in this order under every metric."""
    names = ["mae", "mse", "psnr", "ssim", "delta_e_2000", "colorfulness_difference", "perceptual_lite0"]
    scorer = PhotoScorer(names)
    means: dict[float, dict[str, float]] = {share: dict.fromkeys(names, 0.0) for share in (0.85, 0.5, 0.0)}
    for path in list_photos(shared / "data" / "eval")[:8]:
        rgb = torch.from_numpy(read_photo(path, shortest_side_px=96).rgb).permute(2, 0, 1)[None].float() / 255
        truth, lab = scorer.view(rgb), rgb_to_lab(rgb)
        for share, sums in means.items():
            preds = lab_to_rgb(torch.cat([lab[:, :1], share * lab[:, 1:]], dim=1)).clamp(0, 1)
            for name, value in scorer.score(preds, truth).items():
                sums[name] += value.item() / 8
    for name in names:
        ladder = [means[share][name] for share in (0.85, 0.5, 0.0)]
        assert ladder == sorted(ladder, reverse=METRICS[name].direction == "higher"), name
