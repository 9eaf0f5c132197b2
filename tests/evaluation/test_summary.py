"""Means with intervals, and tables of several results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.stats

from chromalab.core.errors import ConfigError, UsageError
from chromalab.evaluation.folders import EvaluationSettings, compare_folders, evaluate
from chromalab.evaluation.scores import ScoreTable
from chromalab.evaluation.summary import join_results, summarize, summarize_set, summarize_values
from chromalab.metrics.facts import SetValue
from chromalab.metrics.registry import METRICS
from tests.evaluation.rated import SCENES
from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from pathlib import Path


def test_the_interval_is_students_t() -> None:
    values = [1.0, 2.0, 4.0, 4.5, 9.0]
    summary = summarize_values(values)
    low, high = scipy.stats.t.interval(0.95, 4, loc=4.1, scale=scipy.stats.sem(values))
    assert [summary.mean, summary.ci_low, summary.ci_high] == pytest.approx([4.1, low, high])
    assert (summary.n, summary.reason) == (5, None)


def test_one_photo_has_a_mean_without_an_interval() -> None:
    summary = summarize_values([0.25])
    assert (summary.mean, summary.ci_low, summary.ci_high, summary.n) == (0.25, None, None, 1)
    assert summary.reason == "an interval needs at least 2 photos"


def test_infinite_values_have_a_reason_and_no_mean() -> None:
    summary = summarize_values([30.0, math.inf, math.inf])
    assert (summary.mean, summary.ci_low, summary.n) == (None, None, 3)
    assert summary.reason == "infinite: 2 of 3 predictions are identical to their target"


def test_a_set_metric_has_a_jackknife_interval() -> None:
    replicates = [9.0, 10.0, 11.0, 10.0]
    summary = summarize_set(SetValue(value=10.0, jackknife_se=math.sqrt(1.5), replicates=replicates, n=40))
    half = scipy.stats.t.ppf(0.975, 3) * math.sqrt(3 / 4 * 2)
    assert [summary.ci_low, summary.ci_high] == pytest.approx([10 - half, 10 + half])


def test_a_set_metric_without_a_value_keeps_its_reason() -> None:
    summary = summarize_set(SetValue(value=None, n=3, reason="too few"))
    assert (summary.mean, summary.n, summary.reason) == (None, 3, "too few")


def test_every_metric_of_the_registry_has_an_entry() -> None:
    columns = {"mae": [0.1, 0.3], "ssim": [0.5, math.nan], "chroma": [1.0, 3.0]}
    sides = np.array([8, 8])
    table = ScoreTable(
        ("a", "b"),
        sides,
        sides,
        {name: np.array(values) for name, values in columns.items()},
        {"chroma": np.array([2.0, 2.0])},
    )
    others = {name: "not asked for" for name in METRICS if name not in {"mae", "ssim", "chroma"}}
    summaries = summarize(table, {}, others)
    assert list(summaries) == list(METRICS)
    assert summaries["mae"].mean == pytest.approx(0.2)
    assert summaries["ssim"].n == 1
    assert summaries["ssim"].reason == "1 of 2 photos are smaller than 11 px; an interval needs at least 2 photos"
    assert (summaries["chroma"].mean, summaries["chroma"].truth) == (2.0, 2.0)
    assert summaries["psnr"].reason == "not asked for"


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Path]:
    """Return result files of two methods, evaluated apart."""
    folders = write_variants(tmp_path, {name: photo.copy() for name, photo in SCENES.items()})
    found: dict[str, Path] = {}
    for name in ("sepia", "blurred"):
        evaluation = evaluate(folders[name], tmp_path / "target", metrics=["mae", "chroma"], device="cpu", threads=1)
        evaluation.record.save(found.setdefault(name, tmp_path / f"{name}.json"))
    return found


def test_methods_of_several_files_are_joined(results: dict[str, Path]) -> None:
    record = join_results(list(results.values()))
    assert [method.name for method in record.methods] == ["sepia", "blurred"]
    assert [facts.name for facts in record.metrics] == ["mae", "chroma"]
    means = [method.metrics["mae"].mean or 0.0 for method in record.methods]
    assert means[0] > means[1] > 0
    assert record.differences == []


@pytest.mark.slow
def test_a_comparison_keeps_its_tests_alone_and_loses_them_in_company(results: dict[str, Path], tmp_path: Path) -> None:
    settings = EvaluationSettings(metrics=["mae", "chroma"], device="cpu", threads=1)
    folders = {name: tmp_path / name for name in ("sepia", "uncolored")}
    compare_folders(folders, target=tmp_path / "target", settings=settings).record.save(tmp_path / "both.json")
    alone = join_results([tmp_path / "both.json"])
    assert [method.name for method in alone.methods] == ["grey", "sepia", "uncolored", "truth"]
    assert alone.differences
    joined = join_results([tmp_path / "both.json", results["blurred"]])
    assert [method.name for method in joined.methods] == ["both: sepia", "both: uncolored", "blurred"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"protocol": "chromalab-v1"', '"protocol": "ddcolor"', "the protocols are chromalab-v1 and ddcolor"),
        ('"n_photos": 4', '"n_photos": 3', "the photos are not the same"),
        ('"protocol_sha256": "', '"protocol_sha256": "0', "the rules of chromalab-v1 are not the same"),
        ('"weights": {}', '"weights": {"alexnet": "9"}', "the weights of alexnet differ"),
    ],
)
def test_results_that_differ_are_refused_with_the_reason(
    results: dict[str, Path], old: str, new: str, message: str
) -> None:
    path, other = results["blurred"], results["sepia"]
    if "weights" in old:
        other.write_text(
            other.read_text(encoding="utf-8").replace(old, '"weights": {"alexnet": "1"}'), encoding="utf-8"
        )
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        join_results([other, path])


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.json: "):
        join_results([tmp_path / "x.json"])
