"""From values to a mean with an interval, or to words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from chromalab.evaluation.score_table import ScoreTable
from chromalab.evaluation.summary import summarize, summarize_set, summarize_values
from chromalab.metrics.facts import SetValue
from chromalab.metrics.registry import METRICS


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


def test_infinite_values_are_told_in_words() -> None:
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
