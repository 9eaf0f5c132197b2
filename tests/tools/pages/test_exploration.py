"""The ablations cover every condition that has a record."""

from __future__ import annotations

import numpy as np
import pytest

from chromalab.studies.load import SCORES
from tools import RESULTS, read_csv
from tools.pages.exploration import AS_IS, OTHERS, Condition, conditions, turned


@pytest.mark.slow
def test_every_condition_is_compared_with_the_main_study() -> None:
    assert conditions("l2", "perceptual") == [AS_IS, *OTHERS]
    assert [each.label for each in conditions("l2", "wgan_l2")] == [AS_IS.label, "rate / 3", "rate x 3"]


@pytest.mark.slow
@pytest.mark.parametrize("each", OTHERS, ids=lambda each: each.label)
def test_differences_are_those_of_the_photos_values(each: Condition) -> None:
    values, scores = [], read_csv(RESULTS / each.study / SCORES)
    for objective in ("l2", "perceptual"):
        run = f"{objective}{each.suffix}-{each.space}-s0"
        rows = [row for row in scores if (row["run"], row["share"], row["split"]) == (run, "1", "test")]
        values.append(np.array([float(row["lpips_alex"]) for row in rows]))
    row = each.difference("lpips_alex", "l2", "perceptual")
    assert row is not None
    assert row.mean is not None
    assert row.ci_low is not None
    assert row.ci_high is not None
    assert row.mean == pytest.approx((values[0] - values[1]).mean())
    other = each.difference("lpips_alex", "perceptual", "l2")
    assert other is not None
    assert [other.mean, other.ci_low, other.ci_high] == pytest.approx([-row.mean, -row.ci_high, -row.ci_low])


@pytest.mark.slow
def test_changed_signs_are_found() -> None:
    found = turned("l2", "perceptual")
    assert "lpips_alex" not in found
    for metric, labels in found.items():
        main = AS_IS.difference(metric, "l2", "perceptual")
        for condition in OTHERS:
            row = condition.difference(metric, "l2", "perceptual")
            assert main is not None
            assert row is not None
            assert main.mean is not None
            assert row.mean is not None
            assert (main.mean * row.mean < 0) == (condition.label in labels)
