"""The CSV files that scripts rely on."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.csv_files import differences_csv, summary_csv
from chromalab.studies.records import SummaryRow
from tests.report.conftest import WrittenStudy

pytestmark = pytest.mark.slow


def row(mean: float | None, low: float | None = None, high: float | None = None) -> SummaryRow:
    return SummaryRow(
        objective="wgan_l2", color_space="lab", metric="psnr", direction="higher", mean=mean, ci_low=low, ci_high=high,
        n_photos=12, n_seeds=3,
    )  # fmt: skip


def test_the_columns_are_those_that_scripts_rely_on() -> None:
    text = summary_csv([row(22.5, 21.0, 24.0)])
    assert text == (
        "objective,color_space,metric,direction,mean,ci_low,ci_high,n_photos,n_seeds\n"
        "wgan_l2,lab,psnr,higher,22.5,21.0,24.0,12,3\n"
    )


def test_infinity_is_inf_and_what_is_not_known_is_empty() -> None:
    assert summary_csv([row(math.inf)]).splitlines()[1] == "wgan_l2,lab,psnr,higher,inf,,,12,3"
    assert summary_csv([row(None)]).splitlines()[1] == "wgan_l2,lab,psnr,higher,,,,12,3"


@given(st.floats(allow_nan=False))
def test_numbers_come_back_exactly(value: float) -> None:
    (read,) = csv.DictReader(io.StringIO(summary_csv([row(value)])))
    assert float(read["mean"]) == value


def test_a_study_has_a_row_for_every_objective_bound_and_metric(written: WrittenStudy) -> None:
    with written.paths.summary.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    objectives = {"l1", "l2", "perceptual", "wgan_l2", "wgan_perceptual"}
    assert {(row["objective"], row["n_seeds"]) for row in rows} == {
        *((name, "3") for name in objectives), ("grey", "0"), ("truth", "0"),
    }  # fmt: skip
    assert len(rows) == 12 * (len(objectives) + 2)
    (truth,) = [row for row in rows if row["objective"] == "truth" and row["metric"] == "psnr"]
    assert truth["mean"] == "inf"


def test_differences_of_a_study_name_each_pair_once_per_metric(written: WrittenStudy) -> None:
    rows = list(csv.DictReader(io.StringIO(differences_csv(written.analysis.differences))))
    assert len(rows) == 12 * 10
    assert len({(row["metric"], row["first"], row["second"]) for row in rows}) == len(rows)
