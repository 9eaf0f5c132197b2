"""The page of shipped models shows the measurements of exactly these files."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from chromalab.metrics.registry import METRICS
from chromalab.weights.colorizers import DEFAULT_MODEL, find_colorizer, shipped_models
from tools import read_record
from tools.benchmarks.model_kinds import by_hue
from tools.pages.benchmarks import RECORDS
from tools.pages.models import CHOICE, GOAL, SATURATION, good_page, misses, models_page, quality
from tools.release.choose import choose


@pytest.mark.parametrize("name", shipped_models())
def test_scores_are_those_of_the_shipped_file(name: str) -> None:
    file, record = find_colorizer(name), quality(name)
    assert record["model_sha256"] == file.sha256
    assert [tuple(pair) for pair in record["factors"]] == file.spec.chroma_by_lightness
    assert file.spec.failures
    assert {metric: round(values["model"][0], 4) for metric, values in record["metrics"].items()} == file.spec.scores


def test_the_default_is_the_rules_choice() -> None:
    record = json.loads(CHOICE.read_text(encoding="utf-8"))
    assert (record["model"], record["saturation"]) == choose(record)
    assert record["model"] == DEFAULT_MODEL
    assert {name: curve["sha256"] for name, curve in record["models"].items()} == {
        name: find_colorizer(name).sha256 for name in shipped_models()
    }
    factors = find_colorizer().spec.chroma_by_lightness
    assert {factor for _, factor in factors or [(0.0, 1.0)]} == {record["saturation"]}


def test_a_point_that_misses_the_goal_is_not_chosen() -> None:
    record = json.loads(CHOICE.read_text(encoding="utf-8"))
    model, saturation = choose(record)
    (best,) = (point for point in record["models"][model]["points"] if point["saturation"] == saturation)
    best["saturation"] = 1.0
    for rival, metrics in GOAL.items():
        for metric in metrics:
            best["model_minus"][rival][metric] = [1.0] * 3 if METRICS[metric].direction == "higher" else [-1.0] * 3
    assert misses(best) == []
    other = copy.deepcopy(best)
    other["metrics"]["lpips_alex"]["model"][0] += 0.01
    two = {"models": {"best": {"points": [best]}, "other": {"points": [other]}}}
    assert choose(two) == ("best", 1.0)
    best["metrics"]["colorfulness"]["model"][0] = 0.0
    assert "colorfulness" in misses(best)
    assert choose(two) == ("other", 1.0)


def test_the_page_shows_the_results_of_the_default() -> None:
    record, page = quality(DEFAULT_MODEL), models_page()
    assert page.count("| no difference found |") == len([each for each in misses(record) if " beside " in each])


def test_what_is_measured_by_kind_and_color_is_the_default() -> None:
    record, page = read_record("models/kinds.json"), good_page()
    assert record["model_sha256"] == find_colorizer().sha256
    assert sum(row["photos"] for row in record["kinds"].values()) <= record["photos"]
    assert all(f"| {kind} |" in page for kind in (*record["kinds"], *record["colors"], "all of them"))


def test_colors_are_found_by_hue_and_chroma() -> None:
    true = torch.tensor([[60.0, 60.0, 60.0, 60.0, 5.0], [10.0, 10.0, 10.0, 10.0, 5.0]])
    turned = [true[0], -true[1]]  # red stays red, 19 degrees away
    made = torch.stack([turned[0], turned[1]])
    made[:, 1] *= 0.2  # too pale
    made[:, 2] = torch.tensor([-60.0, 10.0])  # green
    found, chroma = by_hue(true, made)
    assert found == {"red": 0.5}
    assert chroma["red"] == pytest.approx((1 + 0.2 + 1 + 1) / 4)


def test_the_curves_are_those_of_the_shipped_files() -> None:
    record = json.loads(SATURATION.read_text(encoding="utf-8"))
    assert list(record["models"]) == shipped_models()
    for name, curve in record["models"].items():
        file = find_colorizer(name)
        assert curve["sha256"] == file.sha256
        assert [tuple(pair) for pair in curve["factors"]] == file.spec.chroma_by_lightness


def test_the_benchmark_is_within_its_bounds() -> None:
    record = json.loads((RECORDS / "colorize.json").read_text(encoding="utf-8"))
    assert max(record["12_megapixels_rgb"]["ratio"], record["12_megapixels_grey"]["ratio"]) <= 8
    assert record["1_megapixel"]["photos_a_second"] >= 5
    assert record["200_megapixels_16_bits"]["peak_rss_mb"] < 1500
    assert record["network"]["gflop"] <= 10
