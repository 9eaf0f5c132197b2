"""Figures: what they are drawn from, and that the same data gives the same bytes."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from chromalab.report.forest import draw_forest, forest
from chromalab.report.standing import gain, standings
from chromalab.report.style import MARKERS, PALETTE, objective_styles
from chromalab.report.svg import inline_svg
from chromalab.studies.records import DifferenceRow, MetricFacts
from tests.report.conftest import WrittenStudy

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
def test_gain_over_grey(value: float, grey: float, truth: float | None, direction: str, expected: float) -> None:
    assert gain(value, grey, truth, direction) == expected  # type: ignore[arg-type]


def test_the_best_objective_stands_at_100_percent(written: WrittenStudy) -> None:
    found = standings(written.analysis, "lab")
    for metric in written.analysis.metrics:
        assert max(s.percent for s in found if s.metric.name == metric.name) == pytest.approx(100)


def test_a_forest_is_in_percent_of_the_span() -> None:
    plot = forest(MAE, [difference(2.0, 8.0), difference(None, 8.0)])
    assert plot is not None
    (line,) = plot.lines
    assert (line.mean, line.low, line.high) == (25.0, 12.5, 37.5)


@pytest.mark.parametrize("span", [None, 0.0])
def test_without_a_span_a_forest_is_in_the_metrics_own_unit(span: float | None) -> None:
    plot = forest(MAE, [difference(2.0, span)])
    assert plot is not None
    assert (plot.span, plot.lines[0].mean) == (None, 2.0)


def test_nothing_to_compare_gives_no_forest() -> None:
    assert forest(MAE, [difference(None, 1.0)]) is None


def test_the_same_data_gives_the_same_bytes() -> None:
    plot = forest(MAE, [difference(2.0, 8.0, winner="l2"), difference(-500.0, 8.0)])
    assert plot is not None
    styles = objective_styles(["l1", "l2"])
    first, second = draw_forest(plot, "lab", styles), draw_forest(plot, "lab", styles)
    assert (first.svg, first.png) == (second.svg, second.png)
    assert "<dc:date>" not in first.svg


def test_an_objective_looks_the_same_in_every_figure_and_unlike_any_other() -> None:
    names = [f"objective_{index}" for index in range(2 * len(PALETTE))]
    styles = objective_styles(names)
    assert len({(style.color, style.marker) for style in styles.values()}) == len(names)
    assert len(MARKERS) == len(PALETTE)


def test_inlined_figures_keep_to_themselves(written: WrittenStudy) -> None:
    svg = next(path for path in written.paths.figures if path.name == "forest_lab_mae.svg").read_text(encoding="utf-8")
    inlined = inline_svg(svg, prefix="one", alt='a "quoted" <alt>')
    root = ET.fromstring(inlined.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314
    assert root.get("aria-label") == 'a "quoted" <alt>'
    assert "<style" not in inlined
    ids = set(re.findall(r'\bid="([^"]+)"', inlined))
    assert ids
    assert all(name.startswith("one-") for name in ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', inlined)) <= ids


def test_every_figure_is_there_as_svg_and_png(written: WrittenStudy) -> None:
    stems = {path.stem for path in written.paths.figures}
    assert {"standing_lab", "forest_lab", "forest_lab_mae", "loss_lab_l1", "term_lab_wgan_l2_wgan_gp",
            "share_lab_wgan_l2", "critic_lab_distance"} <= stems  # fmt: skip
    for path in written.paths.figures:
        start = path.read_bytes()[:8]
        assert start == b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else start.startswith(b"<?xml")
