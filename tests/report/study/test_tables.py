"""The tables of a study: cells, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.formatting import decimals_for, escape_latex, format_number
from chromalab.report.study.tables import (
    Cell,
    claims_latex,
    differences_csv,
    main_table,
    seed_counts,
    summary_csv,
    summary_latex,
)
from chromalab.studies.records import ClaimRow, SummaryRow
from tests.report.conftest import AnalyzedStudy, WrittenStudy

if TYPE_CHECKING:
    from collections.abc import Mapping


def cells(analyzed: AnalyzedStudy, metric: str) -> dict[str, Cell]:
    table = main_table(analyzed.analysis, analyzed.study, "lab")
    for panel in table.panels:
        names = [facts.name for facts in panel.metrics]
        if metric in names:
            return {row.objective: row.cells[names.index(metric)] for row in panel.rows}
    raise KeyError(metric)


def test_tables_have_bounds_at_the_ends_and_a_column_for_every_metric(analyzed: AnalyzedStudy) -> None:
    table = main_table(analyzed.analysis, analyzed.study, "lab")
    for panel in table.panels:
        assert [row.objective for row in panel.rows] == [
            "grey", "l1", "l2", "perceptual", "wgan_l2", "wgan_perceptual", "truth",
        ]  # fmt: skip
    shown = [metric.name for panel in table.panels for metric in panel.metrics]
    assert sorted(shown) == sorted(metric.name for metric in analyzed.analysis.metrics)


def test_a_metric_that_shares_the_network_is_marked(analyzed: AnalyzedStudy) -> None:
    marked = {name for name, cell in cells(analyzed, "lpips_squeeze").items() if cell.confounded}
    assert marked == {"perceptual", "wgan_perceptual"}
    assert not any(cell.confounded for cell in cells(analyzed, "lpips_alex").values())


def test_bold_follows_the_analysis_and_one_mean_is_underlined(analyzed: AnalyzedStudy) -> None:
    for metric in analyzed.analysis.metrics:
        column = cells(analyzed, metric.name)
        bold = {row.objective for row in analyzed.analysis.summary if row.metric == metric.name and row.best}
        assert {name for name, cell in column.items() if cell.best} == bold
        assert sum(cell.leader for cell in column.values()) == 1


def test_an_infinite_truth_has_a_note(analyzed: AnalyzedStudy) -> None:
    truth = cells(analyzed, "psnr")["truth"]
    assert (truth.value, truth.interval) == ("∞", "")
    notes = dict(main_table(analyzed.analysis, analyzed.study, "lab").notes)
    assert "perfect copy" in notes[truth.note]


def test_a_shared_note_moves_to_the_column_heading(analyzed: AnalyzedStudy) -> None:
    table = main_table(analyzed.analysis, analyzed.study, "lab")
    (panel,) = [panel for panel in table.panels if "frechet_lite0" in {metric.name for metric in panel.metrics}]
    index = [metric.name for metric in panel.metrics].index("frechet_lite0")
    assert dict(table.notes)[panel.notes[index]] == "compare only at equal n"
    assert all(row.cells[index].note == "" for row in panel.rows if not row.bound)


@given(st.floats(1e-5, 1e3), st.floats(1e-4, 1e4))
def test_an_interval_is_not_rounded_to_zero_within_four_digits(half: float, value: float) -> None:
    decimals = decimals_for([half], [value])
    shown = float(format_number(half, decimals).replace("−", "-"))
    assert abs(shown - half) <= 0.5 * 10.0**-decimals + 1e-12
    if half >= value / 100:
        assert math.isclose(shown, half, rel_tol=0.051) or decimals in {0, 6}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wgan_l2", r"wgan\_l2"),
        ("50% & more", r"50\% \& more"),
        ("a\\b{c}", r"a\textbackslash{}b\{c\}"),
        ("10 ± 2 < ∞", r"10 $\pm$ 2 \textless{} $\infty$"),
        ("#1 costs $5 ~ x^2", r"\#1 costs \$5 \textasciitilde{} x\textasciicircum{}2"),
    ],
)
def test_special_characters_are_escaped(text: str, expected: str) -> None:
    assert escape_latex(text) == expected


def balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def test_a_table_is_well_formed(analyzed: AnalyzedStudy) -> None:
    table = main_table(analyzed.analysis, analyzed.study, "lab")
    text = summary_latex(table, n_photos=12, seeds="3 seeds", data="my_photos, 50%")
    assert balanced(text)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(table.panels)
    bodies = re.findall(r"\\begin{tabular}.*?\\end{tabular}", text, re.DOTALL)
    for panel, body in zip(table.panels, bodies, strict=True):
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.replace(r"\&", "").count("&") for line in lines} == {len(panel.metrics)}
        assert body.count(r"\toprule") == body.count(r"\bottomrule") == 1
    assert not re.search(r"(?<!\\)_", text)


def test_the_caption_counts_the_seeds_that_were_measured(analyzed: AnalyzedStudy) -> None:
    analysis = analyzed.analysis

    def caption(counts: Mapping[str, int], planned: int) -> str:
        rows = [row.model_copy(update={"n_seeds": counts.get(row.objective, row.n_seeds)}) for row in analysis.summary]
        partial = analysis.model_copy(update={"summary": rows, "seeds": list(range(planned))})
        table = main_table(partial, analyzed.study, "lab")
        return summary_latex(table, n_photos=12, seeds=seed_counts(partial, "lab"), data="x")

    assert "(x), 3 seeds: mean" in caption({}, 3)
    assert "(x), 3 of 8 planned seeds: mean" in caption({}, 8)
    assert "(x), 1 to 3 of 8 planned seeds: mean" in caption({"l1": 1}, 8)
    assert "(x), 3 of 8 planned seeds: mean" in caption({"l1": 0}, 8), "an objective without runs has no mean"
    assert "(x), 0 of 1 planned seed: mean" in caption(dict.fromkeys(analysis.objectives, 0), 1)


def test_a_cell_has_mean_half_width_and_bold_for_the_best(analyzed: AnalyzedStudy) -> None:
    text = summary_latex(main_table(analyzed.analysis, analyzed.study, "lab"), n_photos=12, seeds="3 seeds", data="x")
    (best,) = [line for line in text.splitlines() if line.startswith(r"\texttt{l2}") and r"\underline" in line]
    mae = next(row for row in analyzed.analysis.summary if (row.objective, row.metric) == ("l2", "mae"))
    assert mae.mean is not None
    assert mae.ci_low is not None
    assert mae.ci_high is not None
    assert rf"$\underline{{\mathbf{{{mae.mean:.4f}}}}} \pm {(mae.ci_high - mae.ci_low) / 2:.4f}$" in best
    assert r"$\infty$" in text
    assert r"\pm 0.0000" not in text, "an exact value has no half width"
    assert r"^{\dagger}" in text


def test_claims_are_listed_with_their_verdicts() -> None:
    claim = ClaimRow(
        id="C1", claim="100% of x_y", color_space="lab", verdict="undecided", summary="s", how_far="h"
    )  # fmt: skip
    text = claims_latex([claim])
    assert r"C1 & Lab & 100\% of x\_y & undecided \\" in text
    assert balanced(text)


def summary_row(mean: float | None, low: float | None = None, high: float | None = None) -> SummaryRow:
    return SummaryRow(
        objective="wgan_l2", color_space="lab", metric="psnr", direction="higher", mean=mean, ci_low=low, ci_high=high,
        n_photos=12, n_seeds=3,
    )  # fmt: skip


@pytest.mark.slow
def test_csv_columns_are_stable() -> None:
    text = summary_csv([summary_row(22.5, 21.0, 24.0)])
    assert text == (
        "objective,color_space,metric,direction,mean,ci_low,ci_high,n_photos,n_seeds\n"
        "wgan_l2,lab,psnr,higher,22.5,21.0,24.0,12,3\n"
    )


@pytest.mark.slow
def test_infinity_is_inf_and_missing_values_are_empty() -> None:
    assert summary_csv([summary_row(math.inf)]).splitlines()[1] == "wgan_l2,lab,psnr,higher,inf,,,12,3"
    assert summary_csv([summary_row(None)]).splitlines()[1] == "wgan_l2,lab,psnr,higher,,,,12,3"


@pytest.mark.slow
@given(st.floats(allow_nan=False))
def test_numbers_are_read_back_exactly(value: float) -> None:
    (read,) = csv.DictReader(io.StringIO(summary_csv([summary_row(value)])))
    assert float(read["mean"]) == value


@pytest.mark.slow
@pytest.mark.slow
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


@pytest.mark.slow
def test_differences_of_a_study_name_each_pair_once_per_metric(analyzed: AnalyzedStudy) -> None:
    rows = list(csv.DictReader(io.StringIO(differences_csv(analyzed.analysis.differences))))
    assert len(rows) == 12 * 10
    assert len({(row["metric"], row["first"], row["second"]) for row in rows}) == len(rows)
