"""Protocols: what they do to images, and quirks as published code has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage.metrics
import torch
from PIL import Image
from skimage.data import astronaut, coffee

from chromalab.core.errors import UnknownNameError
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.protocols import PROTOCOLS, find_protocol, fit
from chromalab.functional.distribution import Moments, frechet_distance
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path


def pair() -> tuple[np.ndarray, np.ndarray]:
    target = astronaut()[:120, 100:260]
    grey = target.mean(axis=-1, keepdims=True)
    return np.rint(grey + 0.4 * (target - grey)).astype(np.uint8), target.copy()


def scored(protocol: str, names: list[str]) -> dict[str, float]:
    scorer = PhotoScorer(names, variants=PROTOCOLS[protocol].variants)
    first, second = (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for image in pair())
    return {name: value.item() for name, value in scorer.score(first, second).items()}


def test_the_names_are_permanent_and_every_rule_has_a_hash_of_its_own() -> None:
    assert list(PROTOCOLS)[:6] == ["chromalab-v1", "chapter", "ct2-val5k", "ddcolor", "cic", "coltran-nonoverlap"]
    assert len({protocol.sha256 for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
    for protocol in PROTOCOLS.values():
        assert protocol.source
        assert protocol.geometry
        assert all(variant.name in METRICS for variant in protocol.variants)
        assert bool(protocol.variants) <= bool(protocol.quirks)
    with pytest.raises(UnknownNameError, match="did you mean 'ddcolor'"):
        find_protocol("dd-color")


def test_our_own_protocol_changes_nothing() -> None:
    ours = PROTOCOLS["chromalab-v1"]
    image = coffee()
    assert fit(image, ours) is image
    assert (ours.geometry, ours.variants) == ("native size", ())


def test_images_are_resized_as_the_protocol_defines() -> None:
    image = coffee()[:300, :451]
    assert fit(image, PROTOCOLS["chapter"]).shape == (256, 256, 3)
    both = fit(image, PROTOCOLS["cic"])
    theirs = np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC))
    assert np.array_equal(both, theirs)
    cut = fit(image, PROTOCOLS["ddcolor"])
    whole = np.asarray(Image.fromarray(image).resize((385, 256), Image.Resampling.BICUBIC))
    assert np.array_equal(cut, whole[:, 64:320])


def test_absolute_opponent_channels() -> None:
    preds, target = (image.astype(np.float64) for image in pair())

    def absolute(rgb: np.ndarray) -> float:
        rg, yb = np.abs(rgb[..., 0] - rgb[..., 1]), np.abs((rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2])
        return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))

    for protocol in ("ddcolor", "ct2-val5k"):
        found = scored(protocol, ["colorfulness", "colorfulness_difference"])
        assert found["colorfulness"] == pytest.approx(absolute(preds))
        assert found["colorfulness_difference"] == pytest.approx(abs(absolute(preds) - absolute(target)))
    assert scored("chromalab-v1", ["colorfulness"])["colorfulness"] > absolute(preds)


def test_ssim_with_the_wrong_range() -> None:
    preds, target = pair()
    theirs = skimage.metrics.structural_similarity(target, preds, data_range=225, channel_axis=2)
    assert scored("ct2-val5k", ["ssim"])["ssim"] == pytest.approx(theirs, abs=1e-12)
    assert scored("chromalab-v1", ["ssim"])["ssim"] != pytest.approx(theirs, abs=1e-5)


@pytest.mark.slow
def test_sets_that_do_not_overlap(tmp_path: Path) -> None:
    preds, target = tmp_path / "preds", tmp_path / "target"
    for index in range(64):
        crop = astronaut()[5 * index : 5 * index + 64, 3 * index : 3 * index + 64]
        write_png(target / f"{index:02}.png", crop.copy())
        write_png(preds / f"{index:02}.png", (crop // 2).astype(np.uint8))
    settings = EvaluationSettings(protocol="coltran-nonoverlap", metrics=["frechet_lite0"], threads=1, bounds=False)
    comparison = compare_folders({"m": preds}, target=target, settings=settings)
    found = comparison.record.methods[0].metrics["frechet_lite0"]
    scorer, moments = PhotoScorer(["frechet_lite0"]), []
    for folder, wanted in ((preds, range(32)), (target, range(32, 64))):
        images = [fit(np.asarray(Image.open(folder / f"{index:02}.png")), comparison.protocol) for index in wanted]
        rgb = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            features = torch.cat([scorer.view(part).pooled("efficientnet_lite0") for part in rgb.split(4)])
        moments.append(Moments.of(features.double().numpy()))
    assert found.mean == pytest.approx(frechet_distance(*moments), rel=1e-4)
    assert found.n == 32
