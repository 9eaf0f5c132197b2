from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from chromalab.data.cache import open_cache
from chromalab.data.photoset import PhotoSet
from chromalab.data.sources import PhotoSource
from chromalab.evaluation.scoring import make_evaluator, score
from chromalab.photo.writing import write_png


@pytest.fixture
def photos(tmp_path: Path) -> PhotoSet:
    """Five photos of three sizes, in an order in which sizes alternate."""
    generator = np.random.default_rng(0)
    sources = []
    for index, width in enumerate((32, 48, 32, 64, 48)):
        path = tmp_path / f"{index}.png"
        write_png(path, generator.integers(0, 256, (32, width, 3), dtype=np.uint8))
        sources.append(PhotoSource(path, path.name))
    return open_cache(sources, size_px=32, cache_dir=tmp_path / "cache", colourless_threshold=0)


def test_values_belong_to_their_photos_for_any_sizes(photos: PhotoSet, tmp_path: Path) -> None:
    scorer = make_evaluator(metrics=["mae", "psnr"])
    kept: dict[str, tuple[int, ...]] = {}
    scores = score(lambda rgb: 1 - rgb, photos, scorer, keep=lambda name, image: kept.update({name: image.shape}))
    assert scores.photos == photos.names
    for index in range(len(photos)):
        rgb = photos.photo(index).astype(np.float64) / 255
        assert scores.per_photo["mae"][index] == pytest.approx(np.abs(1 - 2 * rgb).mean(), abs=1e-6)
    assert kept == {photos.names[index]: photos.photo(index).shape for index in range(len(photos))}

    scores.save(tmp_path / "metrics.csv")
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == photos.names
    assert [float(row["mae"]) for row in rows] == scores.per_photo["mae"]


def test_predictions_are_rounded_as_a_file_would(photos: PhotoSet) -> None:
    scores = score(lambda rgb: (rgb + 0.4 / 255).clamp(0, 1), photos, make_evaluator(metrics=["mae", "psnr"]))
    assert scores.per_photo["mae"] == [0.0] * 5
    assert all(math.isinf(value) for value in scores.per_photo["psnr"])


def test_set_metrics_without_a_value_have_a_reason(photos: PhotoSet) -> None:
    scores = score(torch.clone, photos, make_evaluator(metrics=["frechet_lite0"]))
    assert scores.sets["frechet_lite0"].value is None
    assert "30" in (scores.sets["frechet_lite0"].reason or "")
