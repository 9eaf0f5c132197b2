"""Numbers, lists, CSV and LaTeX as text.

The width of its interval decides how many digits a number has. All numbers of a column have the same number of
decimals.
"""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chromalab.studies.records import Direction

MINUS = "\N{MINUS SIGN}"
INFINITY = "\N{INFINITY}"
NOTHING = "\N{EM DASH}"
MAX_DECIMALS = 6

ARROWS: dict[Direction, str] = {
    "lower": "\N{DOWNWARDS ARROW}",
    "higher": "\N{UPWARDS ARROW}",
    "closer": "\N{RIGHTWARDS ARROW}",
}
DIRECTION_WORDS: dict[Direction, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "closer": "closer to the value of the true photographs is better",
}
SPACE_LABELS = {"lab": "Lab", "yuv": "YUV", "rgb": "RGB"}


def space_label(color_space: str) -> str:
    """Return a color space's name as papers write it."""
    return SPACE_LABELS.get(color_space, color_space)


def decimals_for(half_widths: Iterable[float], values: Iterable[float]) -> int:
    """Return the number of decimals of a column.

    The median half width of the intervals keeps two significant digits, and the median magnitude of the values at most
    four. Without intervals the median magnitude keeps three. Zeros and non-finite values are ignored.

    >>> decimals_for([0.0022, 0.0031, 0.0018], [0.086]), decimals_for([0.0002], [0.086])
    (4, 5)
    >>> decimals_for([], [23.71, 22.9])
    1
    """
    widths = [width for width in half_widths if math.isfinite(width) and width > 0]
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    wanted = [_decimals(statistics.median(widths), 2)] if widths else []
    if sizes:
        wanted.append(_decimals(statistics.median(sizes), 4 if widths else 3))
    return min(max(min(wanted, default=0), 0), MAX_DECIMALS)


def _decimals(size: float, digits: int) -> int:
    """Return the decimals that show `digits` significant digits of `size`; negative if units are already too fine."""
    return digits - 1 - math.floor(math.log10(size))


def format_number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """Return `value` with fixed decimals and a true minus sign, or a dash for a missing value.

    >>> format_number(-0.00316, 4)
    '−0.0032'
    >>> format_number(float("inf"), 2), format_number(None, 2), format_number(-0.0001, 2)
    ('∞', '—', '0.00')
    >>> format_number(2, 1, signed=True)
    '+2.0'
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return INFINITY if value > 0 else MINUS + INFINITY
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" if signed else "") + text


def format_interval(low: float | None, high: float | None, decimals: int, *, signed: bool = False) -> str:
    """Return `[low, high]`, or an empty string if an end is missing or both are equal.

    >>> format_interval(0.0841, 0.08853, 4)
    '[0.0841, 0.0885]'
    >>> format_interval(None, 1.0, 2)
    ''
    """
    if low is None or high is None or low == high:
        return ""
    return f"[{format_number(low, decimals, signed=signed)}, {format_number(high, decimals, signed=signed)}]"


def format_significant(value: float | None, digits: int = 2) -> str:
    """Return `value` with `digits` significant digits and no exponent.

    >>> format_significant(0.030871), format_significant(41.26), format_significant(123.4)
    ('0.031', '41', '123')
    """
    if value is None or not math.isfinite(value) or value == 0:
        return format_number(value, 0)
    return format_number(value, max(_decimals(abs(value), digits), 0))


def format_p(p: float | None) -> str:
    """Return a p-value with three decimals, or `< 0.001`.

    >>> format_p(0.0312), format_p(0.0004), format_p(None)
    ('0.031', '< 0.001', '—')
    """
    if p is None or math.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units.

    >>> format_duration(42.4), format_duration(200), format_duration(7260), format_duration(200000)
    ('42 s', '3 min 20 s', '2 h 1 min', '2 d 7 h')
    """
    whole = round(seconds)
    for size, unit, next_size, next_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{whole} s"


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return CSV text: floats in their shortest exact form, None as an empty cell.

    >>> csv_text(["method", "mean"], [["l2", 0.1], ["l1", None]])
    'method,mean\nl2,0.1\nl1,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([float(cell) if isinstance(cell, float) else cell for cell in row] for row in rows)
    return text.getvalue()


def column_decimals(rows: Iterable[tuple[float | None, float | None, float | None]]) -> int:
    """Return the decimals of a column from its (mean, low end, high end) of each interval."""
    listed = list(rows)
    widths = [half for _, low, high in listed if (half := half_width(low, high)) is not None]
    return decimals_for(widths, [mean for mean, _, _ in listed if mean is not None])


def half_width(low: float | None, high: float | None) -> float | None:
    """Return half the width of an interval, or None if it is unknown or infinite."""
    if low is None or high is None:
        return None
    half = (high - low) / 2
    return half if math.isfinite(half) else None


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
LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "closer": r"$\rightarrow$"}


def escape_latex(text: str) -> str:
    r"""Return `text` with LaTeX's special characters escaped.

    >>> escape_latex("wgan_l2 wins by 10%")
    'wgan\\_l2 wins by 10\\%'
    """
    return _SPECIAL_PATTERN.sub(lambda match: _SPECIAL[match.group()], text)


def latex_table(body: str, caption: str, label: str | None = None) -> str:
    """Return a floating LaTeX table; `caption` is LaTeX code."""
    named = f"\n\\label{{{label}}}" if label else ""
    return (
        "% Needs \\usepackage{booktabs}\n\\begin{table}[t]\n\\centering\n"
        f"\\caption{{{caption}}}{named}\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"{body}\n\\end{{table}}\n"
    )
