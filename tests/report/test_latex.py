"""LaTeX tables: what would break a compilation, and what the cells say."""

from __future__ import annotations

import re

import pytest

from chromalab.report.latex import claims_latex, escape, summary_latex
from chromalab.report.tables import main_table
from chromalab.studies.records import ClaimRow
from tests.report.conftest import WrittenStudy


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
    assert escape(text) == expected


def balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def test_a_table_is_well_formed(written: WrittenStudy) -> None:
    table = main_table(written.analysis, written.study, "lab")
    text = summary_latex(table, n_photos=12, seeds=3, data="my_photos, 50%")
    assert balanced(text)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(table.panels)
    bodies = re.findall(r"\\begin{tabular}.*?\\end{tabular}", text, re.DOTALL)
    for panel, body in zip(table.panels, bodies, strict=True):
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.replace(r"\&", "").count("&") for line in lines} == {len(panel.metrics)}
        assert body.count(r"\toprule") == body.count(r"\bottomrule") == 1
    assert not re.search(r"(?<!\\)_", text)


def test_a_cell_has_mean_half_width_and_bold_for_the_best(written: WrittenStudy) -> None:
    text = summary_latex(main_table(written.analysis, written.study, "lab"), n_photos=12, seeds=3, data="x")
    (best,) = [line for line in text.splitlines() if line.startswith(r"\texttt{l2}") and r"\underline" in line]
    mae = next(row for row in written.analysis.summary if (row.objective, row.metric) == ("l2", "mae"))
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
