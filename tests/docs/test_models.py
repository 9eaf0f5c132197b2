"""What is said of the shipped models is what was measured of these very files."""

from __future__ import annotations

import json

import pytest

from chromalab.weights.colorizers import find_colorizer, shipped_models
from docs.benchmarks import RECORDS
from docs.models import quality


@pytest.mark.parametrize("name", shipped_models())
def test_scores_are_those_of_the_shipped_file(name: str) -> None:
    file, record = find_colorizer(name), quality(name)
    assert record["model_sha256"] == file.sha256
    assert {metric: round(values["model"][0], 4) for metric, values in record["metrics"].items()} == file.spec.scores


def test_the_benchmark_kept_its_bounds() -> None:
    record = json.loads((RECORDS / "colorize.json").read_text(encoding="utf-8"))
    assert max(record["12_megapixels_rgb"]["ratio"], record["12_megapixels_grey"]["ratio"]) <= 8
    assert record["1_megapixel"]["photos_a_second"] >= 5
    assert record["200_megapixels_16_bits"]["peak_rss_mb"] < 1500
    assert record["network"]["gflop"] <= 10
