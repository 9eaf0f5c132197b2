"""Tables for a paper: LaTeX with the booktabs package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chromalab.report.numbers import INFINITY, MINUS, NOTHING, space_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromalab.report.tables import Cell, MainTable, Panel, TableRow
    from chromalab.studies.records import ClaimRow, MetricFacts

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{DEGREE SIGN}": r"$^\circ$",
    "\N{GREEK CAPITAL LETTER DELTA}": r"$\Delta$",
    "\N{GREEK SMALL LETTER DELTA}": r"$\delta$",
    "\N{GREEK SMALL LETTER LAMDA}": r"$\lambda$",
    "\N{GREEK SMALL LETTER SIGMA}": r"$\sigma$",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}": r"\"u",
    "\N{SUBSCRIPT ZERO}": r"$_0$",
    "\N{EN DASH}": "--",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    MINUS: r"$-$",
    INFINITY: r"$\infty$",
    NOTHING: "---",
}
_SPECIAL_PATTERN = re.compile("|".join(re.escape(symbol) for symbol in _SPECIAL))
_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "closer": r"$\rightarrow$"}


def escape(text: str) -> str:
    r"""Return `text` with what LaTeX would take as a command made plain.

    >>> escape("wgan_l2 wins by 10%")
    'wgan\\_l2 wins by 10\\%'
    """
    return _SPECIAL_PATTERN.sub(lambda match: _SPECIAL[match.group()], text)


def summary_latex(table: MainTable, *, n_photos: int, seeds: int, data: str) -> str:
    """Return the main table of one color space: mean and half width of the 95% interval, the best in bold.

    Args:
        table: the cells.
        n_photos: number of test photos.
        seeds: number of seeds.
        data: where the photos came from.
    """
    caption = (
        f"Objectives compared in {escape(space_label(table.color_space))} on {n_photos} test photographs "
        f"({escape(data)}), {seeds} seeds: mean and half width of the 95\\% interval. "
        f"Bold: {escape(table.bold)}. "
        r"$\downarrow$ lower, $\uparrow$ higher, $\rightarrow$ closer to the true photographs is better."
    )
    if table.confounded:
        caption += r" $^\dagger$ The judge shares a network with what the objective was trained on."
    body = "\n\\medskip\n\n".join(_panel(panel) for panel in table.panels)
    notes = "".join(f"\n\\par $^{{{letter}}}$ {escape(text)}" for letter, text in table.notes)
    return _float(body + notes, caption, f"tab:objectives-{table.color_space}")


def claims_latex(claims: Iterable[ClaimRow]) -> str:
    """Return the table of claims with their verdicts."""
    rows = "\n".join(
        f"{escape(row.id)} & {escape(space_label(row.color_space))} & {escape(row.claim)} & {escape(row.verdict)} \\\\"
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
    return _float("\n".join(lines), "Claims of the literature, tested on this study.", "tab:claims")


def _float(body: str, caption: str, label: str) -> str:
    return (
        "% Needs \\usepackage{booktabs}\n\\begin{table}[t]\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{{label}}}\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"{body}\n\\end{{table}}\n"
    )


def _panel(panel: Panel) -> str:
    head = " & ".join(["", *map(_header, panel.metrics, panel.notes)])
    lines = [rf"\begin{{tabular}}{{@{{}}l{'r' * len(panel.metrics)}@{{}}}}", r"\toprule", head + r" \\", r"\midrule"]
    for index, row in enumerate(panel.rows):
        if index and row.bound != panel.rows[index - 1].bound:
            lines.append(r"\midrule")
        lines.append(_row(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _header(metric: MetricFacts, note: str) -> str:
    unit = f" ({escape(metric.unit)})" if metric.unit else ""
    return f"{escape(metric.label)}{unit} {_ARROWS[metric.direction]}" + (f"$^{{{note}}}$" if note else "")


def _row(row: TableRow) -> str:
    name = rf"\textit{{{escape(row.objective)}}}" if row.bound else rf"\texttt{{{escape(row.objective)}}}"
    return " & ".join([name, *(_cell(cell) for cell in row.cells)]) + r" \\"


def _cell(cell: Cell) -> str:
    if cell.value == NOTHING:
        return "---" + (rf"\rlap{{$^{{{cell.note}}}$}}" if cell.note else "")
    number = cell.value.replace(MINUS, "-").replace(INFINITY, r"\infty")
    number = rf"\mathbf{{{number}}}" if cell.best else number
    number = rf"\underline{{{number}}}" if cell.leader else number
    spread = rf" \pm {cell.half_width}" if cell.half_width else ""
    marks = (r"\dagger" if cell.confounded else "") + (r"," if cell.confounded and cell.note else "") + cell.note
    return f"${number}{spread}$" + (rf"\rlap{{$^{{{marks}}}$}}" if marks else "")
