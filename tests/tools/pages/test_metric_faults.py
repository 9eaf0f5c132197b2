"""The record of how metrics respond to typical faults is reproducible, and its page shows it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.color

from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from tools.pages import metric_faults
from tools.pages.benchmarks import metric_costs
from tools.pages.metric_faults import FAULTS, faulty

CHEAP = ("mae", "psnr", "delta_e_2000", "hue_distance", "chroma", "blotches")
CHANGES_LIGHTNESS = ("gaudy", "recoloured", "brighter", "JPEG")


@pytest.mark.slow
def test_the_record_is_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_faults, "PhotoScorer", lambda names: PhotoScorer([n for n in names if n in CHEAP]))
    record, found = metric_faults.read_record(), metric_faults.measure()
    assert list(found) == list(record)
    for fault, row in found.items():
        for name in CHEAP:
            known = record[fault][name]
            assert row[name] == (math.inf if known is None else pytest.approx(known, rel=1e-3, abs=1e-6))


def test_the_record_holds_every_fault_and_no_unknown_metric() -> None:
    record = metric_faults.read_record()
    assert list(record) == [*FAULTS, metric_faults.TRUTH]
    for row in record.values():
        assert {"lpips_alex", "color_perceptual", *CHEAP} <= set(row)
        assert all(isinstance(METRICS[name], PhotoMetric) for name in row)


def test_the_page_names_every_metric() -> None:
    page = metric_faults.faults_page()
    assert all(f"`{name}`" in page for name, metric in METRICS.items() if metric.network != "vgg16")


@pytest.mark.parametrize("name", list(FAULTS))
def test_faults_keep_the_lightness_unless_listed(name: str) -> None:
    rgb = metric_faults.photographs()["chelsea"]
    wrong = faulty(rgb, name)
    change = np.abs(skimage.color.rgb2lab(wrong) - skimage.color.rgb2lab(rgb)).mean(axis=(0, 1))
    assert wrong.shape == rgb.shape
    assert not np.array_equal(wrong, rgb)
    assert change[0] < 0.3 or name in CHANGES_LIGHTNESS


def test_gray_has_no_color() -> None:
    grey = faulty(metric_faults.photographs()["coffee"], "grey")
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1


def test_every_metric_of_photos_has_a_cost() -> None:
    record = metric_costs()
    known = {name: metric for name, metric in METRICS.items() if metric.reference != "film"}
    assert set(record["ms"]) == set(known)
    assert set(record["set_s"]) == {name for name, metric in known.items() if not metric.per_photo}
