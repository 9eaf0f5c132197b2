"""Studies of ten objectives: who beats whom as squares, and marks far worse than gray in a lane of their own."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.duels import draw_duels
from chromalab.report.page import write_report
from chromalab.report.standing import Lane, draw_standings
from chromalab.report.style import objective_styles
from chromalab.studies.records import DifferenceRow, SummaryRow
from tests.report.synthetic_study import TEN, SyntheticStudy, make_analysis, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.studies.records import Analysis
    from tests.report.conftest import WrittenStudy

NAMES = [f"objective_{index}" for index in range(10)]


def with_summary(analysis: Analysis, means: dict[str, float]) -> Analysis:
    """Return the analysis of PSNR alone with these means."""
    rows = [
        SummaryRow(objective=name, color_space="lab", metric="psnr", direction="higher", mean=mean, ci_low=None,
                   ci_high=None, n_photos=12, n_seeds=1)
        for name, mean in means.items()
    ]  # fmt: skip
    psnr = [metric for metric in analysis.metrics if metric.name == "psnr"]
    return analysis.model_copy(
        update={"metrics": psnr, "summary": rows, "objectives": [n for n in means if n != "grey"]}
    )


def test_marks_far_worse_than_grey_do_not_cover_each_other(written: WrittenStudy) -> None:
    means = {"grey": 20.0, NAMES[0]: 21.0} | {name: 18.9 - 3 * index for index, name in enumerate(NAMES[1:])}
    drawing = draw_standings(with_summary(written.analysis, means), "lab", objective_styles(NAMES))
    assert drawing is not None
    found = re.findall(r'font-size: 6.5px[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>−\d+ %<', drawing.svg)
    labels = [(float(x), float(y)) for x, y in found]
    assert len(labels) == 9
    for (x, y), (other_x, other_y) in combinations(labels, 2):
        assert abs(x - other_x) > 35 or abs(y - other_y) > 6.5


def test_without_such_marks_there_is_no_lane(written: WrittenStudy) -> None:
    drawing = draw_standings(with_summary(written.analysis, {"grey": 20.0, "l1": 21.0, "l2": 19.5}), "lab",
                             objective_styles(["l1", "l2"]))  # fmt: skip
    assert drawing is not None
    assert "worse still" not in drawing.svg


@given(st.integers(0, 12), st.integers(1, 4))
def test_slots_are_all_different_and_inside_the_lane(count: int, lines: int) -> None:
    slots = Lane(lines, -(-count // lines), 0.8 / lines).slots(count)
    assert len(set(slots)) == count
    assert all(column < -(-count // lines) and abs(offset) <= 0.4 for column, offset in slots)


def duel_analysis(analysis: Analysis, n_objectives: int, winners: dict[tuple[int, int], int]) -> Analysis:
    """Return the analysis of PSNR alone, in which all pairs are open but those of `winners`."""
    rows = [
        DifferenceRow(
            metric="psnr", color_space="lab", first=NAMES[a], second=NAMES[b], mean=0.1, ci_low=-1.0, ci_high=1.0,
            p=0.5, p_holm=0.5, winner=NAMES[winners[a, b]] if (a, b) in winners else None, equivalent="undecided",
            span=1.0, seed_sd=0.1, detectable=0.1, n_photos=12, n_seeds=3,
        )
        for a, b in combinations(range(n_objectives), 2)
    ]  # fmt: skip
    psnr = [metric for metric in analysis.metrics if metric.name == "psnr"]
    return analysis.model_copy(update={"metrics": psnr, "differences": rows, "objectives": NAMES[:n_objectives]})


@pytest.mark.parametrize(("winner", "left"), [(0, False), (6, True)])
def test_the_winners_row_is_filled_in_the_losers_column(written: WrittenStudy, winner: int, left: bool) -> None:
    styles = objective_styles(NAMES)
    drawing = draw_duels(duel_analysis(written.analysis, 7, {(0, 6): winner}), "lab", styles)
    assert drawing is not None
    color = styles[NAMES[winner]].color.lower()
    cells = re.findall(rf'<path d="M ([\d.]+) ([\d.]+)[^"]*"[^>]*style="fill: {color}"/>', drawing.svg)
    grey = re.findall(r'<path d="M ([\d.]+) ([\d.]+)[^"]*"[^>]*style="fill: #ececec"/>', drawing.svg)
    assert len(cells) == 1
    middle = sum(float(x) for x, _ in grey) / len(grey)
    assert (float(cells[0][0]) < middle) is left
    assert "of 21 paired comparisons 1 have" in drawing.alt


def test_few_objectives_need_no_squares(written: WrittenStudy) -> None:
    assert draw_duels(duel_analysis(written.analysis, 6, {}), "lab", objective_styles(NAMES)) is None
    assert draw_duels(duel_analysis(written.analysis, 1, {}), "lab", objective_styles(NAMES)) is None


@pytest.mark.slow
def test_the_page_of_ten_objectives_folds_what_is_long(tmp_path: Path) -> None:
    study = write_study(tmp_path, SyntheticStudy(seeds=(0, 1), n_photos=10, n_pictured=1, formulas=TEN))
    analysis = make_analysis(tmp_path, study, n_metrics=2)
    text = write_report(tmp_path, analysis, study).html.read_text(encoding="utf-8")
    assert "Who beats whom" in text
    assert "<summary>2 plots</summary>" in text
    assert "<summary>10 plots</summary>" in text
    assert "<code>0.2*lpips_squeeze</code> for <code>0.2*perceptual_vgg16</code>, whose weights are not here" in text
    assert "Preset: <code>bigcolor</code>, Kim et al. 2022, eq. 5" in text
    assert "the weight of the stand-in; a critic of half the width" in text
