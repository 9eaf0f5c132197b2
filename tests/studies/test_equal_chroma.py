from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from chromalab.color.spaces import SPACES
from chromalab.studies.config import DataSettings
from chromalab.studies.equal_chroma import LARGEST_FACTOR, fit_factors, mean_chroma, saturated
from chromalab.studies.photos import open_photos

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from chromalab.data.photoset import PhotoSet


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    cache: Path = tmp_path_factory.mktemp("cache")
    return open_photos(DataSettings(), 64, cache_dir=cache).train


def as_is(rgb: Tensor) -> Tensor:
    return rgb.clone()


def pale(rgb: Tensor) -> Tensor:
    lightness, ab = SPACES["lab"].encode(rgb)
    return SPACES["lab"].decode(lightness, 0.4 * ab).clamp(0, 1)


def test_a_factor_multiplies_chroma_and_keeps_lightness() -> None:
    rgb = 0.4 + 0.2 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    lightness, ab = SPACES["lab"].encode(rgb)
    for factor in (0.0, 0.5, 1.2):
        changed, colors = SPACES["lab"].encode(saturated(as_is, factor)(rgb))
        torch.testing.assert_close(changed, lightness, rtol=0, atol=2e-4)
        torch.testing.assert_close(colors, factor * ab, rtol=0, atol=2e-4)


def test_factors_give_all_networks_the_same_mean_chroma(photos: PhotoSet) -> None:
    networks = {"true": as_is, "pale": pale}
    found = fit_factors(networks, photos)
    assert found.n_photos == len(photos)
    assert found.before["pale"] == pytest.approx(0.4 * found.before["true"], rel=0.02)
    assert found.target == pytest.approx(sum(found.before.values()) / 2)
    assert found.factors["true"] < 1 < found.factors["pale"]
    for name, colorize in networks.items():
        reached = mean_chroma(saturated(colorize, found.factors[name]), photos)
        assert reached == pytest.approx(found.target, rel=0.003)


@pytest.mark.slow
def test_a_network_that_is_nearly_gray_gets_a_bounded_factor(photos: PhotoSet) -> None:
    found = fit_factors({"true": as_is, "gray": saturated(as_is, 0.0)}, photos)
    assert found.before["gray"] < 0.05
    assert found.factors["true"] < 1
    assert found.factors["gray"] <= LARGEST_FACTOR
