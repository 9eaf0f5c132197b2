"""The main table as cells."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.numbers import decimals_for, format_number
from chromalab.report.tables import Cell, main_table
from tests.report.conftest import WrittenStudy


def cells(written: WrittenStudy, metric: str) -> dict[str, Cell]:
    table = main_table(written.analysis, written.study, "lab")
    for panel in table.panels:
        names = [facts.name for facts in panel.metrics]
        if metric in names:
            return {row.objective: row.cells[names.index(metric)] for row in panel.rows}
    raise KeyError(metric)


def test_bounds_frame_the_objectives_and_every_metric_has_a_column(written: WrittenStudy) -> None:
    table = main_table(written.analysis, written.study, "lab")
    for panel in table.panels:
        assert [row.objective for row in panel.rows] == [
            "grey", "l1", "l2", "perceptual", "wgan_l2", "wgan_perceptual", "truth",
        ]  # fmt: skip
    shown = [metric.name for panel in table.panels for metric in panel.metrics]
    assert sorted(shown) == sorted(metric.name for metric in written.analysis.metrics)


def test_a_judge_that_shares_the_network_is_marked(written: WrittenStudy) -> None:
    marked = {name for name, cell in cells(written, "lpips_squeeze").items() if cell.confounded}
    assert marked == {"perceptual", "wgan_perceptual"}
    assert not any(cell.confounded for cell in cells(written, "lpips_alex").values())


def test_bold_follows_the_analysis_and_one_mean_leads(written: WrittenStudy) -> None:
    for metric in written.analysis.metrics:
        column = cells(written, metric.name)
        bold = {row.objective for row in written.analysis.summary if row.metric == metric.name and row.best}
        assert {name for name, cell in column.items() if cell.best} == bold
        assert sum(cell.leader for cell in column.values()) == 1


def test_infinite_truth_and_its_note(written: WrittenStudy) -> None:
    truth = cells(written, "psnr")["truth"]
    assert (truth.value, truth.interval) == ("∞", "")
    notes = dict(main_table(written.analysis, written.study, "lab").notes)
    assert "perfect copy" in notes[truth.note]


def test_a_note_that_all_objectives_share_stands_at_the_head_of_the_column(written: WrittenStudy) -> None:
    table = main_table(written.analysis, written.study, "lab")
    (panel,) = [panel for panel in table.panels if "frechet_lite0" in {metric.name for metric in panel.metrics}]
    index = [metric.name for metric in panel.metrics].index("frechet_lite0")
    assert dict(table.notes)[panel.notes[index]] == "compare only at equal n"
    assert all(row.cells[index].note == "" for row in panel.rows if not row.bound)


@given(st.floats(1e-5, 1e3), st.floats(1e-4, 1e4))
def test_the_interval_never_rounds_to_nothing_within_four_digits(half: float, value: float) -> None:
    decimals = decimals_for([half], [value])
    shown = float(format_number(half, decimals).replace("−", "-"))
    assert abs(shown - half) <= 0.5 * 10.0**-decimals + 1e-12
    if half >= value / 100:
        assert math.isclose(shown, half, rel_tol=0.051) or decimals in {0, 6}
