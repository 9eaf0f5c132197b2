"""Complete and damaged training logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.study.training_logs import RunCurves, RunName, read_curves, read_log, seed_mean, thin

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("run_id", "expected"),
    [
        ("l1-lab-s0", RunName("lab", "l1", 0)),
        ("my-own-rgb-s12", RunName("rgb", "my-own", 12)),
        ("l1-lab", None),
        ("l1-lab-sx", None),
    ],
)
def test_run_names(run_id: str, expected: RunName | None) -> None:
    assert RunName.parse(run_id) == expected


def test_an_incomplete_line_is_skipped_and_an_empty_cell_is_nan(tmp_path: Path) -> None:
    log = tmp_path / "train.csv"
    log.write_text("step,loss,l2\n1,0.5,0.5\n2,,0.4\n3,nan,0.3\n4,0.2", encoding="utf-8")
    columns = read_log(log)
    assert columns is not None
    np.testing.assert_array_equal(columns["step"], [1, 2, 3])
    np.testing.assert_array_equal(columns["loss"], [0.5, np.nan, np.nan])


@pytest.mark.parametrize("text", ["", "step,loss\n", "loss\n1\n", "step,loss\nx,1\n"])
def test_a_log_without_rows_is_none(tmp_path: Path, text: str) -> None:
    log = tmp_path / "train.csv"
    log.write_text(text, encoding="utf-8")
    assert read_log(log) is None


def test_runs_without_a_log_are_left_out_and_the_rest_sorted(tmp_path: Path) -> None:
    for name, text in {"l2-lab-s1": "step,loss\n1,2\n", "l2-lab-s0": "step,loss\n1,2\n", "l1-lab-s0": "",
                       "notes": "step,loss\n1,2\n"}.items():  # fmt: skip
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "train.csv").write_text(text, encoding="utf-8")
    (tmp_path / "runs" / "l1-lab-s1").mkdir()
    assert [run.name for run in read_curves(tmp_path)] == [RunName("lab", "l2", 0), RunName("lab", "l2", 1)]
    assert read_curves(tmp_path / "nowhere") == []


@given(st.integers(1, 2000), st.integers(1, 200))
def test_thinning_keeps_the_range_and_the_straight_line(length: int, points: int) -> None:
    steps = np.arange(length, dtype=np.float64)
    thinned = thin({"step": steps, "loss": 3 * steps + 1}, points)
    assert 1 <= len(thinned["step"]) <= max(points, 1)
    assert thinned["step"].min() >= 0
    assert thinned["step"].max() <= length - 1
    np.testing.assert_allclose(thinned["loss"], 3 * thinned["step"] + 1)


def test_thinning_ignores_nan() -> None:
    thinned = thin({"step": np.arange(4.0), "loss": np.array([1.0, np.nan, np.nan, np.nan])}, 2)
    np.testing.assert_array_equal(thinned["loss"], [1.0, np.nan])


def test_the_mean_over_seeds_needs_the_same_steps() -> None:
    def run(seed: int, steps: list[float]) -> RunCurves:
        values = {"step": np.array(steps), "loss": np.full(len(steps), float(seed))}
        return RunCurves(RunName("lab", "l1", seed), values)

    mean = seed_mean([run(1, [1, 2]), run(3, [1, 2])], "loss")
    assert mean is not None
    np.testing.assert_array_equal(mean[1], [2.0, 2.0])
    assert seed_mean([run(1, [1, 2]), run(3, [1, 3])], "loss") is None
    assert seed_mean([run(1, [1, 2])], "loss") is None


def test_columns_of_newer_logs_are_not_terms() -> None:
    header = ["step", "pictures", "loss", "l2", "l2.share", "l2.weight", "gan", "gan.share", "gan.weight",
              "cosine.l2.gan", "critic.accuracy"]  # fmt: skip
    run = RunCurves(RunName("lab", "mix", 0), {name: np.ones(1) for name in header})
    assert run.terms == ["l2", "gan"]
    assert run.pairs == {"cosine.l2.gan": ("l2", "gan")}
    assert not run.wasserstein


@pytest.mark.parametrize("term", ["wgan", "wgan_gp"])
def test_wasserstein_critics(term: str) -> None:
    assert RunCurves(RunName("lab", "mix", 0), {"step": np.ones(1), "l2": np.ones(1), term: np.ones(1)}).wasserstein
