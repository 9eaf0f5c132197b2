"""Studies that version 1 of the engine wrote and analyzed give the same analysis today."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from chromalab.metrics.registry import metric_facts
from chromalab.studies import analyze, load_study
from tests.studies.synthetic import FACTS, Plan, make_study, without_runs

SAVED = Path(__file__).parent / "saved"
NEWER = {"is_span_clear"}
"""Fields that older analyses lack."""

PLANTED = Plan(
    effects={
        "perceptual": {"lpips_squeeze": -3.0, "mae": 1.0, "colorfulness": 6.0, "chroma": 12.0},
        "l1/rgb": {"psnr": -2.0, "frechet_lite0": 2.0},
    },
    objectives=("l1", "l2", "perceptual"),
    color_spaces=("lab", "rgb"),
    n_seeds=3,
    n_photos=12,
)


def rows(part: Any) -> list[dict[str, Any]]:
    """Return the numbers and verdicts of rows, without their prose."""
    prose = {"reason", "claim", "summary", "how_far", "flips_when", "evidence"}
    return [{key: value for key, value in row.items() if key not in prose} for row in part]


def reaches_below_zero(saved: dict[str, Any]) -> bool:
    """Return whether the saved interval of a mean has an impossible lower end."""
    return "objective" in saved and saved["ci_low"] is not None and saved["ci_low"] < 0 < saved["mean"]


def assert_same(now: Any, before: Any, *, bounded: bool = False) -> None:
    assert len(now) == len(before)
    for row, saved in zip(rows(now), rows(before), strict=True):
        assert row.keys() - saved.keys() <= NEWER
        for key, value in saved.items():
            if bounded and key in {"ci_low", "ci_high"} and reaches_below_zero(saved):
                # Older intervals could reach below the least value of a metric.
                assert 0 < row["ci_low"] < row["mean"] < row["ci_high"]
            elif isinstance(value, float) and math.isfinite(value):
                assert row[key] == pytest.approx(value, rel=1e-9, abs=1e-12), (saved, key)
            elif key == "seed_means":
                assert row[key] == pytest.approx(value, rel=1e-9)
            else:
                assert row[key] == value, (saved, key)


@pytest.mark.parametrize("part", ["summary", "differences", "claims"])
def test_a_study_saved_by_an_older_version_gives_the_same_analysis(part: str) -> None:
    study = load_study(SAVED)
    assert (study.record.protocol, study.missing, len(study.runs)) == ("chromalab-v1", [], 4)
    now = json.loads(analyze(study, metric_facts()).model_dump_json())
    assert_same(now[part], json.loads((SAVED / "analysis.json").read_text())[part], bounded=True)


@pytest.mark.parametrize("part", ["summary", "differences", "claims"])
def test_planted_effects_get_the_numbers_and_verdicts_of_an_older_version(part: str) -> None:
    study = without_runs(make_study(PLANTED), "l2-rgb-s1")
    now = json.loads(analyze(study, FACTS).model_dump_json())
    saved = json.loads((SAVED / "synthetic_analysis.json").read_text())[part]
    assert_same(now[part], saved)
    if part == "differences":
        assert {"l1", "perceptual"} <= {row["winner"] for row in saved}
        assert {"supported", "contradicted", "undecided"} == {row["equivalent"] for row in saved}


def test_an_intermediate_checkpoint_is_read() -> None:
    halfway, end = load_study(SAVED, share=0.5), load_study(SAVED)
    assert halfway.runs.keys() == end.runs.keys()
    assert (halfway.runs["l2-lab-s0"].photos["mae"] != end.runs["l2-lab-s0"].photos["mae"]).any()
