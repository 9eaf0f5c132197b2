"""The CSV files of a report: full precision, for scripts."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chromalab.report.diagnostics import Diagnosis
    from chromalab.studies.records import DifferenceRow, SummaryRow

SUMMARY_COLUMNS = (
    "objective",
    "color_space",
    "metric",
    "direction",
    "mean",
    "ci_low",
    "ci_high",
    "n_photos",
    "n_seeds",
)
DIFFERENCE_COLUMNS = (
    "metric",
    "color_space",
    "first",
    "second",
    "mean",
    "ci_low",
    "ci_high",
    "p",
    "p_holm",
    "winner",
    "equivalent",
    "span",
    "seed_sd",
    "detectable",
    "n_photos",
    "n_seeds",
    "reason",
)
DIAGNOSIS_COLUMNS = (
    "color_space",
    "objective",
    "quantity",
    "subject",
    "mean",
    "lowest",
    "highest",
    "n_seeds",
    "reading",
    "sentence",
)


def summary_csv(rows: Iterable[SummaryRow]) -> str:
    """Return `summary.csv`: a row for each objective or bound, color space and metric.

    Numbers have their shortest exact form (`repr`), infinity is `inf`, and what is not known is empty.
    """
    return _csv(SUMMARY_COLUMNS, rows)


def differences_csv(rows: Iterable[DifferenceRow]) -> str:
    """Return `differences.csv`: a row for each pair of objectives, color space and metric."""
    return _csv(DIFFERENCE_COLUMNS, rows)


def diagnostics_csv(found: Iterable[Diagnosis]) -> str:
    """Return `diagnostics.csv`: a row for each number of a training's end, with how it reads."""
    return _csv(DIAGNOSIS_COLUMNS, found)


def _csv(columns: Sequence[str], rows: Iterable[object]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(getattr(row, column)) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)
