"""The table of an evaluation: methods beside each other under every metric, for pages, papers and scripts."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from typing import TYPE_CHECKING

from chromalab.evaluation.differences import unbeaten
from chromalab.report import numbers
from chromalab.report.latex import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.evaluation.records import ComparisonRecord, MetricSummary
    from chromalab.metrics.facts import MetricFacts

ROLES = {
    "fidelity": "Fidelity",
    "color": "Color",
    "perceptual": "Seen by trained networks",
    "distribution": "Sets of photographs",
    "semantic": "Recognition",
}
_LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "closer": r"$\rightarrow$"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One method under one metric: its mean, its interval, and whether no method beats it where some are beaten."""

    value: str
    interval: str
    best: bool
    reason: str | None


@dataclasses.dataclass(frozen=True)
class Line:
    """One metric's row."""

    metric: MetricFacts
    cells: tuple[Cell, ...]
    truth: str


def table_lines(record: ComparisonRecord) -> dict[str, list[Line]]:
    """Return the rows of the table by role, without metrics that no method has a value of."""
    best = unbeaten(record)
    lines: dict[str, list[Line]] = {}
    for role, heading in ROLES.items():
        found = [_line(record, facts, best.get(facts.name, ())) for facts in record.metrics if facts.role == role]
        kept = [line for line in found if any(cell.value != numbers.NOTHING for cell in line.cells)]
        if kept:
            lines[heading] = kept
    return lines


def _line(record: ComparisonRecord, facts: MetricFacts, best: Sequence[str]) -> Line:
    summaries = [method.metrics[facts.name] for method in record.methods]
    decimals = _decimals([each for each, method in zip(summaries, record.methods, strict=True) if not method.is_bound])
    cells = tuple(
        Cell(
            numbers.format_number(summary.mean, decimals),
            "" if method.is_bound else numbers.format_interval(summary.ci_low, summary.ci_high, decimals),
            method.name in best,
            summary.reason,
        )
        for method, summary in zip(record.methods, summaries, strict=True)
    )
    truth = next((summary.truth for summary in summaries if summary.truth is not None), None)
    return Line(facts, cells, numbers.format_number(truth, decimals) if truth is not None else "")


def _decimals(summaries: Sequence[MetricSummary]) -> int:
    widths = [
        (each.ci_high - each.ci_low) / 2 for each in summaries if each.ci_low is not None and each.ci_high is not None
    ]
    return numbers.decimals_for(widths, [each.mean for each in summaries if each.mean is not None])


def summary_csv(record: ComparisonRecord) -> str:
    """Return a row for each method or bound and metric, in full precision."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["method", "metric", "direction", "mean", "ci_low", "ci_high", "truth", "n", "reason", "protocol"])
    for method in record.methods:
        for facts in record.metrics:
            each = method.metrics[facts.name]
            ends = (each.mean, each.ci_low, each.ci_high, each.truth)
            cells = ("" if value is None else repr(value) for value in ends)
            rows.writerow(
                [method.name, facts.name, facts.direction, *cells, each.n, each.reason or "", record.protocol]
            )
    return text.getvalue()


def differences_csv(record: ComparisonRecord) -> str:
    """Return a row for each pair of methods and metric, in full precision."""
    text = io.StringIO()
    columns = ["metric", "first", "second", "mean", "ci_low", "ci_high", "p", "p_holm", "winner", "n", "reason"]
    rows = csv.DictWriter(text, columns, lineterminator="\n")
    rows.writeheader()
    rows.writerows(row.model_dump() for row in record.differences)
    return text.getvalue()


def latex_table(record: ComparisonRecord) -> str:
    """Return the table for a paper, with booktabs: mean and half width of the 95% interval, the best in bold."""
    names = [(escape(method.name), method.is_bound) for method in record.methods]
    heads = " & ".join(rf"\textit{{{name}}}" if is_bound else name for name, is_bound in names)
    lines = [
        "% Needs \\usepackage{booktabs}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{_caption(record)}}}",
        r"\footnotesize",
        rf"\begin{{tabular}}{{@{{}}l{'r' * len(record.methods)}@{{}}}}",
        r"\toprule",
        rf" & {heads} \\",
    ]
    best = unbeaten(record)
    for group in table_lines(record).values():
        lines.append(r"\midrule")
        lines += [_latex_row(record, line.metric, best.get(line.metric.name, ())) for line in group]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _caption(record: ComparisonRecord) -> str:
    return (
        f"{record.n_photos} photographs under the protocol {escape(record.protocol)}: mean and half width of the 95\\% "
        "interval over photographs. Bold: not significantly beaten (paired $t$ tests, Holm), where some method is. "
        r"$\downarrow$ lower, $\uparrow$ higher, $\rightarrow$ closer to the true photographs is better."
    )


def _latex_row(record: ComparisonRecord, facts: MetricFacts, best: Sequence[str]) -> str:
    summaries = [method.metrics[facts.name] for method in record.methods]
    decimals = _decimals(summaries)
    cells = []
    for method, summary in zip(record.methods, summaries, strict=True):
        if summary.mean is None:
            cells.append("---")
            continue
        number = f"{summary.mean:.{decimals}f}"
        number = rf"\mathbf{{{number}}}" if method.name in best else number
        spread = _spread(summary, decimals) if not method.is_bound else ""
        cells.append(f"${number}{spread}$")
    unit = f" ({escape(facts.unit)})" if facts.unit else ""
    return " & ".join([f"{escape(facts.label)}{unit} {_LATEX_ARROWS[facts.direction]}", *cells]) + r" \\"


def _spread(summary: MetricSummary, decimals: int) -> str:
    if summary.ci_low is None or summary.ci_high is None:
        return ""
    half = (summary.ci_high - summary.ci_low) / 2
    return rf" \pm {half:.{decimals}f}" if half > 0 and math.isfinite(half) else ""
