"""Figures: the data behind them, reproducible bytes, and studies with ten objectives."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.figures.differences import _edge, draw_forest, draw_win_matrix, forest
from chromalab.report.figures.overview import Lane, draw_overview, gain, relative_scores
from chromalab.report.figures.style import MARKERS, PALETTE, objective_styles
from chromalab.report.page import inline_svg
from chromalab.report.study.report import write_report
from chromalab.studies.records import DifferenceRow, MetricFacts, SummaryRow
from tests.report.conftest import AnalyzedStudy, WrittenStudy
from tests.report.synthetic_study import TEN, SyntheticStudy, make_analysis, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.studies.records import Analysis

MAE = MetricFacts(name="mae", label="MAE", direction="lower", per_photo=True, role="fidelity")


def difference(mean: float | None, span: float | None, **more: object) -> DifferenceRow:
    row = DifferenceRow(
        metric="mae", color_space="lab", first="l1", second="l2", mean=mean, ci_low=None if mean is None else mean - 1,
        ci_high=None if mean is None else mean + 1, p=0.5, p_holm=0.5, winner=None, equivalent="undecided", span=span,
        seed_sd=0.1, detectable=0.1, n_photos=12, n_seeds=3,
    )  # fmt: skip
    return row.model_copy(update=more)


@pytest.mark.parametrize(
    ("value", "grey", "truth", "direction", "expected"),
    [
        (6.0, 8.0, 0.0, "lower", 2.0),
        (9.0, 8.0, 0.0, "lower", -1.0),
        (25.0, 21.0, None, "higher", 4.0),
        (30.0, 0.0, 40.0, "closer", 30.0),
        (50.0, 0.0, 40.0, "closer", 30.0),
    ],
)
def test_gain_over_gray(value: float, grey: float, truth: float | None, direction: str, expected: float) -> None:
    assert gain(value, grey, truth, direction) == expected  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_best_objective_is_at_100_percent(analyzed: AnalyzedStudy) -> None:
    found = relative_scores(analyzed.analysis, "lab")
    for metric in analyzed.analysis.metrics:
        assert max(s.percent for s in found if s.metric.name == metric.name) == pytest.approx(100)


def test_a_forest_plot_is_in_percent_of_the_span() -> None:
    plot = forest(MAE, [difference(2.0, 8.0), difference(None, 8.0)])
    assert plot is not None
    (line,) = plot.lines
    assert (line.mean, line.low, line.high) == (25.0, 12.5, 37.5)


def test_a_span_that_is_not_clear_gives_an_axis_in_the_unit_of_the_metric_that_shows_every_mark() -> None:
    rows = [difference(mean, 0.001, is_span_clear=False) for mean in (0.016, 0.012, -0.01, 0.009)]
    plot = forest(MAE, rows)
    assert plot is not None
    assert (plot.in_percent, plot.scaled_span, plot.lines[0].mean) == (False, 0.001, 0.016)
    assert 0.016 < _edge(plot) < 0.1, "wide intervals are cut"
    drawn = draw_forest(plot, "lab", {})
    assert "% of the span" not in drawn.svg
    assert "100 %" not in drawn.svg


def test_most_marks_lie_within_the_axis() -> None:
    plot = forest(MAE, [difference(mean, 1.0) for mean in (5.0, 6.0, 7.0, -0.1)])
    assert plot is not None
    assert sum(abs(line.mean) < _edge(plot) for line in plot.lines) >= 3


@pytest.mark.parametrize("span", [None, 0.0])
def test_without_a_span_a_forest_plot_has_the_unit_of_the_metric(span: float | None) -> None:
    plot = forest(MAE, [difference(2.0, span)])
    assert plot is not None
    assert (plot.span, plot.lines[0].mean) == (None, 2.0)


def test_without_differences_there_is_no_forest_plot() -> None:
    assert forest(MAE, [difference(None, 1.0)]) is None


def test_equal_data_give_equal_bytes() -> None:
    plot = forest(MAE, [difference(2.0, 8.0, winner="l2"), difference(-500.0, 8.0)])
    assert plot is not None
    styles = objective_styles(["l1", "l2"])
    first, second = draw_forest(plot, "lab", styles), draw_forest(plot, "lab", styles)
    assert (first.svg, first.png) == (second.svg, second.png)
    assert "<dc:date>" not in first.svg


def test_objective_styles_are_stable_and_distinct() -> None:
    names = [f"objective_{index}" for index in range(2 * len(PALETTE))]
    styles = objective_styles(names)
    assert len({(style.color, style.marker) for style in styles.values()}) == len(names)
    assert len(MARKERS) == len(PALETTE)


@pytest.mark.slow
def test_inlined_figures_do_not_share_identifiers(written: WrittenStudy) -> None:
    svg = next(path for path in written.paths.figures if path.name == "forest_lab_mae.svg").read_text(encoding="utf-8")
    inlined = inline_svg(svg, prefix="one", alt='a "quoted" <alt>')
    root = ET.fromstring(inlined.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314
    assert root.get("aria-label") == 'a "quoted" <alt>'
    assert "<style" not in inlined
    ids = set(re.findall(r'\bid="([^"]+)"', inlined))
    assert ids
    assert all(name.startswith("one-") for name in ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', inlined)) <= ids


@pytest.mark.slow
def test_every_figure_is_written_as_svg_and_png(written: WrittenStudy) -> None:
    stems = {path.stem for path in written.paths.figures}
    assert {"overview_lab", "forest_lab", "forest_lab_mae", "loss_lab_l1", "term_lab_wgan_l2_wgan_gp",
            "share_lab_wgan_l2", "critic_lab_distance"} <= stems  # fmt: skip
    for path in written.paths.figures:
        start = path.read_bytes()[:8]
        assert start == b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else start.startswith(b"<?xml")


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


@pytest.mark.slow
def test_marks_far_worse_than_gray_do_not_overlap(analyzed: AnalyzedStudy) -> None:
    means = {"grey": 20.0, NAMES[0]: 21.0} | {name: 18.9 - 3 * index for index, name in enumerate(NAMES[1:])}
    drawing = draw_overview(with_summary(analyzed.analysis, means), "lab", objective_styles(NAMES))
    assert drawing is not None
    found = re.findall(r'font-size: 6.5px[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>−\d+ %<', drawing.svg)
    labels = [(float(x), float(y)) for x, y in found]
    assert len(labels) == 9
    for (x, y), (other_x, other_y) in combinations(labels, 2):
        assert abs(x - other_x) > 35 or abs(y - other_y) > 6.5


@pytest.mark.slow
def test_without_marks_far_worse_than_gray_there_is_no_lane(analyzed: AnalyzedStudy) -> None:
    drawing = draw_overview(with_summary(analyzed.analysis, {"grey": 20.0, "l1": 21.0, "l2": 19.5}), "lab",
                             objective_styles(["l1", "l2"]))  # fmt: skip
    assert drawing is not None
    assert "below −100 %" not in drawing.svg


@given(st.integers(0, 12), st.integers(1, 4))
def test_slots_are_distinct_and_inside_the_lane(count: int, lines: int) -> None:
    slots = Lane(lines, -(-count // lines), 0.8 / lines).slots(count)
    assert len(set(slots)) == count
    assert all(column < -(-count // lines) and abs(offset) <= 0.4 for column, offset in slots)


def win_analysis(analysis: Analysis, n_objectives: int, winners: dict[tuple[int, int], int]) -> Analysis:
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
def test_the_win_matrix_fills_the_winners_row(analyzed: AnalyzedStudy, winner: int, left: bool) -> None:
    styles = objective_styles(NAMES)
    drawing = draw_win_matrix(win_analysis(analyzed.analysis, 7, {(0, 6): winner}), "lab", styles)
    assert drawing is not None
    color = styles[NAMES[winner]].color.lower()
    cells = re.findall(rf'<path d="M ([\d.]+) ([\d.]+)[^"]*"[^>]*style="fill: {color}"/>', drawing.svg)
    grey = re.findall(r'<path d="M ([\d.]+) ([\d.]+)[^"]*"[^>]*style="fill: #ececec"/>', drawing.svg)
    assert len(cells) == 1
    middle = sum(float(x) for x, _ in grey) / len(grey)
    assert (float(cells[0][0]) < middle) is left
    assert "of 21 paired comparisons 1 have" in drawing.alt


def test_few_objectives_get_no_win_matrix(analyzed: AnalyzedStudy) -> None:
    assert draw_win_matrix(win_analysis(analyzed.analysis, 6, {}), "lab", objective_styles(NAMES)) is None
    assert draw_win_matrix(win_analysis(analyzed.analysis, 1, {}), "lab", objective_styles(NAMES)) is None


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_the_page_of_ten_objectives_folds_long_parts(tmp_path: Path) -> None:
    study = write_study(tmp_path, SyntheticStudy(seeds=(0, 1), n_photos=10, n_pictured=1, formulas=TEN))
    analysis = make_analysis(tmp_path, study, n_metrics=2)
    text = write_report(tmp_path, analysis, study).html.read_text(encoding="utf-8")
    assert "Wins and losses of all pairs" in text
    assert "<summary>2 plots</summary>" in text
    assert "<summary>10 plots</summary>" in text
    assert (
        "<code>0.2*lpips_squeeze</code> for <code>0.2*perceptual_vgg16</code>, whose weights were not available" in text
    )
    assert "Preset: <code>bigcolor</code>, Kim et al. 2022, eq. 5" in text
    assert "the weight of the stand-in; a critic of half the width" in text
