"""The tables of a study's report, as cells for the page, as LaTeX (booktabs) and as CSV."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chromalab.core.wording import plural
from chromalab.report.formatting import (
    INFINITY,
    LATEX_ARROWS,
    MINUS,
    NOTHING,
    column_decimals,
    csv_text,
    escape_latex,
    format_interval,
    format_number,
    half_width,
    latex_table,
    space_label,
)
from chromalab.studies.analysis.differences import best_of, enough
from chromalab.studies.records import PrimaryRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chromalab.report.study.diagnostics import Diagnosis
    from chromalab.studies.records import Analysis, ClaimRow, DifferenceRow, MetricFacts, StudyRecord, SummaryRow

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
        best: whether to print in bold: the best objective, or one that it does not significantly beat.
        leader: whether to underline: the objective with the best mean.
        confounded: whether the metric shares a network with the loss that the objective was trained on.
        note: letter of the cell's note, or empty.
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
    """The cells of an objective or a bound in the order of the panel's metrics."""

    objective: str
    bound: bool
    n_seeds: int
    cells: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Panel:
    """The table of related metrics.

    Attributes:
        title: heading.
        metrics: metric of each column.
        notes: for each column, the letter of a note that applies to all objectives, or empty.
        rows: `grey` first, then the objectives, `truth` last.
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
        confounded: whether any cell is confounded.
        tested: whether there were enough seeds and photos for tests, from which bold type follows.
    """

    color_space: str
    panels: tuple[Panel, ...]
    notes: tuple[tuple[str, str], ...]
    confounded: bool
    tested: bool

    @property
    def bold(self) -> str:
        """Meaning of bold type in this table."""
        if self.tested:
            return "the best objective and those that it does not significantly beat; underlined: the best mean"
        return "the best mean, without a test because there are too few seeds or photos"


def confounds(study: StudyRecord) -> dict[str, frozenset[str]]:
    """Return for every objective the metrics that share a network with the loss that it was trained on."""
    return {objective.id: frozenset(objective.judges_trained_on) for objective in study.objectives}


def summary_lookup(analysis: Analysis, color_space: str) -> dict[tuple[str, str], SummaryRow]:
    """Return the rows of one color space by (objective, metric).

    Bounds do not depend on the training space, so a missing row is taken from another space.
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
    """Letters for the notes under a table; equal texts share a letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letter(self, text: str | None) -> str:
        if not text:
            return ""
        return self._letters.setdefault(text, chr(ord("a") + len(self._letters) % 26))

    def listed(self) -> tuple[tuple[str, str], ...]:
        return tuple((letter, text) for text, letter in self._letters.items())


def best_mean(
    metric: MetricFacts, objectives: Iterable[str], lookup: Mapping[tuple[str, str], SummaryRow]
) -> str | None:
    """Return the objective with the best mean, without a test, or None if fewer than two objectives have a mean."""
    rows = {name: lookup[name, metric.name] for name in objectives if (name, metric.name) in lookup}
    means = {name: row.mean for name, row in rows.items() if row.mean is not None}
    truth = lookup.get(("truth", metric.name))
    return best_of(means, metric.direction, None if truth is None else truth.mean) if len(means) > 1 else None


def _common_reason(
    metric: MetricFacts, order: Sequence[str], lookup: Mapping[tuple[str, str], SummaryRow]
) -> str | None:
    """Return the note that all objectives of a column share, so that it can stand in the column's heading."""
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
    decimals = column_decimals((row.mean, row.ci_low, row.ci_high) for row in trained or rows.values())
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


SUMMARY_COLUMNS = (
    "objective", "color_space", "metric", "direction", "mean", "ci_low", "ci_high", "n_photos", "n_seeds",
)  # fmt: skip
DIFFERENCE_COLUMNS = (
    "metric", "color_space", "first", "second", "mean", "ci_low", "ci_high", "p", "p_holm",
    "winner", "equivalent", "span", "seed_sd", "detectable", "n_photos", "n_seeds", "reason",
)  # fmt: skip
DIAGNOSIS_COLUMNS = (
    "color_space", "objective", "quantity", "subject", "mean", "lowest", "highest", "n_seeds", "reading",
    "sentence",
)  # fmt: skip


def summary_csv(rows: Iterable[SummaryRow]) -> str:
    """Return `summary.csv`: a row for each objective or bound, color space and metric.

    Numbers have their shortest exact form (`repr`), infinity is `inf`, and missing values are empty.
    """
    return csv_text(SUMMARY_COLUMNS, ([getattr(row, column) for column in SUMMARY_COLUMNS] for row in rows))


def differences_csv(rows: Iterable[DifferenceRow]) -> str:
    """Return `differences.csv`: a row for each pair of objectives, color space and metric."""
    return csv_text(DIFFERENCE_COLUMNS, ([getattr(row, column) for column in DIFFERENCE_COLUMNS] for row in rows))


def primary_csv(rows: Iterable[PrimaryRow]) -> str:
    """Return `primary.csv`: a row for each comparison that decides the question."""
    columns = [name for name in PrimaryRow.model_fields if name != "pooled"]
    return csv_text(columns, ([getattr(row, column) for column in columns] for row in rows))


def diagnostics_csv(found: Iterable[Diagnosis]) -> str:
    """Return `diagnostics.csv`: a row for each diagnosed number, with its interpretation."""
    return csv_text(DIAGNOSIS_COLUMNS, ([getattr(row, column) for column in DIAGNOSIS_COLUMNS] for row in found))


def seed_counts(analysis: Analysis, color_space: str) -> str:
    """Return how many seeds the means of a color space rest on, beside how many were planned if some are missing."""
    found = [row.n_seeds for row in analysis.summary if row.color_space == color_space and row.n_seeds]
    least, most, planned = min(found, default=0), max(found, default=0), len(analysis.seeds)
    if least == planned:
        return plural(planned, "seed")
    return f"{least if least == most else f'{least} to {most}'} of {plural(planned, 'planned seed')}"


def summary_latex(table: MainTable, *, n_photos: int, seeds: str, data: str) -> str:
    """Return the main table of one color space: mean and half width of the 95% interval, the best in bold.

    Args:
        table: the table.
        n_photos: number of test photos.
        seeds: number of seeds in words, from `seed_counts`.
        data: source of the photos.
    """
    caption = (
        f"Objectives compared in {escape_latex(space_label(table.color_space))} on {n_photos} test photographs "
        f"({escape_latex(data)}), {seeds}: mean and half width of the 95\\% interval. "
        f"Bold: {escape_latex(table.bold)}. "
        r"$\downarrow$ lower, $\uparrow$ higher, $\rightarrow$ closer to the true photographs is better."
    )
    if table.confounded:
        caption += r" $^\dagger$ The metric shares a network with the loss that the objective was trained on."
    body = "\n\\medskip\n\n".join(_latex_panel(panel) for panel in table.panels)
    notes = "".join(f"\n\\par $^{{{letter}}}$ {escape_latex(text)}" for letter, text in table.notes)
    return latex_table(body + notes, caption, f"tab:objectives-{table.color_space}")


def claims_latex(claims: Iterable[ClaimRow]) -> str:
    """Return the table of claims with their verdicts."""
    rows = "\n".join(
        " & ".join(map(escape_latex, (row.id, space_label(row.color_space), row.claim, row.verdict))) + r" \\"
        for row in claims
    )
    lines = (
        r"\begin{tabular}{@{}llp{0.6\linewidth}l@{}}",
        r"\toprule",
        r"Claim & Space & Wording & Verdict \\",
        r"\midrule",
        rows,
        r"\bottomrule",
        r"\end{tabular}",
    )
    return latex_table("\n".join(lines), "Claims of the literature, tested on this study.", "tab:claims")


def _latex_panel(panel: Panel) -> str:
    head = " & ".join(["", *map(_header, panel.metrics, panel.notes)])
    lines = [rf"\begin{{tabular}}{{@{{}}l{'r' * len(panel.metrics)}@{{}}}}", r"\toprule", head + r" \\", r"\midrule"]
    for index, row in enumerate(panel.rows):
        if index and row.bound != panel.rows[index - 1].bound:
            lines.append(r"\midrule")
        lines.append(_latex_row(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _header(metric: MetricFacts, note: str) -> str:
    unit = f" ({escape_latex(metric.unit)})" if metric.unit else ""
    return f"{escape_latex(metric.label)}{unit} {LATEX_ARROWS[metric.direction]}" + (f"$^{{{note}}}$" if note else "")


def _latex_row(row: TableRow) -> str:
    name = rf"\textit{{{escape_latex(row.objective)}}}" if row.bound else rf"\texttt{{{escape_latex(row.objective)}}}"
    return " & ".join([name, *(_latex_cell(cell) for cell in row.cells)]) + r" \\"


def _latex_cell(cell: Cell) -> str:
    if cell.value == NOTHING:
        return "---" + (rf"\rlap{{$^{{{cell.note}}}$}}" if cell.note else "")
    number = cell.value.replace(MINUS, "-").replace(INFINITY, r"\infty")
    number = rf"\mathbf{{{number}}}" if cell.best else number
    number = rf"\underline{{{number}}}" if cell.leader else number
    spread = rf" \pm {cell.half_width}" if cell.half_width else ""
    marks = (r"\dagger" if cell.confounded else "") + (r"," if cell.confounded and cell.note else "") + cell.note
    return f"${number}{spread}$" + (rf"\rlap{{$^{{{marks}}}$}}" if marks else "")
