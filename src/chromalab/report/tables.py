"""The main table of a study as cells that the page and the LaTeX file share."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from chromalab.report.numbers import decimals_for, format_interval, format_number
from chromalab.studies.analysis.differences import enough
from chromalab.studies.analysis.measured import best_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chromalab.studies.records import Analysis, MetricFacts, StudyRecord, SummaryRow

BOUNDS = ("grey", "truth")
BOUND_LABELS = {"grey": "no color", "truth": "the photographs"}
PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Fidelity to the photograph", ("fidelity",)),
    ("Perceptual distance and distribution", ("perceptual", "distribution")),
    ("Color", ("color",)),
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of the table, formatted.

    Attributes:
        value: the mean, or a dash.
        interval: the 95% interval, or empty.
        half_width: half of the interval's width, or empty.
        best: printed in bold: the best objective, or one that it does not certainly beat.
        leader: underlined: it has the best mean.
        confounded: the metric shares a network with what the objective was trained on.
        note: letter of the note that goes with it, or empty.
    """

    value: str
    interval: str = ""
    half_width: str = ""
    best: bool = False
    leader: bool = False
    confounded: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True)
class TableRow:
    """An objective or a bound, with its cells in the order of the panel's metrics."""

    objective: str
    bound: bool
    n_seeds: int
    cells: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Panel:
    """The metrics of one role: `grey` first, then the objectives, `truth` last.

    Attributes:
        title: what the metrics have in common.
        metrics: one for each column.
        notes: for each column the letter of a note that goes with all of its objectives, or empty.
        rows: one for each objective and bound.
    """

    title: str
    metrics: tuple[MetricFacts, ...]
    notes: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclasses.dataclass(frozen=True)
class MainTable:
    """Every metric of one color space, panel by panel.

    Attributes:
        color_space: the training space.
        panels: groups of metrics.
        notes: (letter, text) of the notes under the table.
        confounded: whether any cell is marked as judged by its own network.
        tested: whether there were seeds and photos enough to test who beats whom, on which the bold type rests.
    """

    color_space: str
    panels: tuple[Panel, ...]
    notes: tuple[tuple[str, str], ...]
    confounded: bool
    tested: bool

    @property
    def bold(self) -> str:
        """What bold type means in this table."""
        if self.tested:
            return "the best objective and those that it does not certainly beat; underlined: the best mean"
        return "the best mean, which with so few seeds or photos is no finding"


def confounds(study: StudyRecord) -> dict[str, frozenset[str]]:
    """Return, for every objective, the metrics that share a network with what it was trained on."""
    return {objective.id: frozenset(objective.judges_trained_on) for objective in study.objectives}


def summary_lookup(analysis: Analysis, color_space: str) -> dict[tuple[str, str], SummaryRow]:
    """Return the rows of one color space by (objective, metric).

    A bound does not depend on the training space, so where it has no row of this space, a row of another serves.
    """
    rows = {(row.objective, row.metric): row for row in analysis.summary if row.objective in BOUNDS}
    return rows | {(row.objective, row.metric): row for row in analysis.summary if row.color_space == color_space}


def main_table(analysis: Analysis, study: StudyRecord, color_space: str) -> MainTable:
    """Build the main table of one color space."""
    lookup = summary_lookup(analysis, color_space)
    present = {objective for objective, _ in lookup}
    order = [name for name in ("grey", *analysis.objectives, "truth") if name in present]
    shared, notes = confounds(study), _Notes()
    panels = []
    for title, roles in PANELS:
        metrics = tuple(metric for metric in analysis.metrics if metric.role in roles)
        if metrics:
            heads = tuple(notes.letter(_common_reason(metric, order, lookup)) for metric in metrics)
            columns = [_column(metric, order, lookup, shared, notes) for metric in metrics]
            panels.append(Panel(title, metrics, heads, _rows(order, columns, lookup)))
    marked = any(cell.confounded for panel in panels for row in panel.rows for cell in row.cells)
    tested = any(enough(row.n_seeds, row.n_photos) for row in analysis.differences if row.color_space == color_space)
    return MainTable(color_space, tuple(panels), notes.listed(), marked, tested)


class _Notes:
    """Letters for the notes under a table: the same text has the same letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letter(self, text: str | None) -> str:
        if not text:
            return ""
        return self._letters.setdefault(text, chr(ord("a") + len(self._letters) % 26))

    def listed(self) -> tuple[tuple[str, str], ...]:
        return tuple((letter, text) for text, letter in self._letters.items())


def column_decimals(rows: Iterable[SummaryRow]) -> int:
    """Return the decimals of a column from the intervals of its objectives."""
    listed = list(rows)
    widths = [half for row in listed if (half := half_width(row.ci_low, row.ci_high)) is not None]
    return decimals_for(widths, [row.mean for row in listed if row.mean is not None])


def half_width(low: float | None, high: float | None) -> float | None:
    """Return half of the width of an interval, or None where it has no finite one."""
    if low is None or high is None:
        return None
    half = (high - low) / 2
    return half if math.isfinite(half) else None


def best_mean(
    metric: MetricFacts, objectives: Iterable[str], lookup: Mapping[tuple[str, str], SummaryRow]
) -> str | None:
    """Return the objective with the best mean, a description and no finding; None where fewer than two have one."""
    rows = {name: lookup[name, metric.name] for name in objectives if (name, metric.name) in lookup}
    means = {name: row.mean for name, row in rows.items() if row.mean is not None}
    truth = lookup.get(("truth", metric.name))
    return best_of(means, metric.direction, None if truth is None else truth.mean) if len(means) > 1 else None


def _common_reason(
    metric: MetricFacts, order: Sequence[str], lookup: Mapping[tuple[str, str], SummaryRow]
) -> str | None:
    """Return the note that all objectives' cells of a column share, which then belongs to its head."""
    rows = [lookup[name, metric.name] for name in order if name not in BOUNDS and (name, metric.name) in lookup]
    reasons = {row.reason for row in rows}
    return reasons.pop() if len(reasons) == 1 and len(rows) > 1 else None


def _column(
    metric: MetricFacts,
    order: Sequence[str],
    lookup: Mapping[tuple[str, str], SummaryRow],
    shared: Mapping[str, frozenset[str]],
    notes: _Notes,
) -> list[Cell]:
    rows = {name: lookup[name, metric.name] for name in order if (name, metric.name) in lookup}
    trained = [row for name, row in rows.items() if name not in BOUNDS]
    common = _common_reason(metric, order, lookup)
    leader = best_mean(metric, [name for name in order if name not in BOUNDS], lookup)
    decimals = column_decimals(trained or rows.values())
    cells = []
    for name in order:
        row = rows.get(name)
        if row is None:
            cells.append(Cell(format_number(None, 0)))
            continue
        half = half_width(row.ci_low, row.ci_high)
        cells.append(
            Cell(
                value=format_number(row.mean, decimals),
                interval=format_interval(row.ci_low, row.ci_high, decimals),
                half_width="" if not half else format_number(half, decimals),
                best=row.best,
                leader=name == leader,
                confounded=metric.name in shared.get(name, frozenset()),
                note="" if row.reason == common else notes.letter(row.reason),
            )
        )
    return cells


def _rows(
    order: Sequence[str], columns: Sequence[Sequence[Cell]], lookup: Mapping[tuple[str, str], SummaryRow]
) -> tuple[TableRow, ...]:
    seeds = {
        name: max((row.n_seeds for (owner, _), row in lookup.items() if owner == name), default=0) for name in order
    }
    return tuple(
        TableRow(name, name in BOUNDS, seeds[name], tuple(column[index] for column in columns))
        for index, name in enumerate(order)
    )
