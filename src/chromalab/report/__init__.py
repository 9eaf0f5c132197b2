"""Reports of studies, evaluations and metric validation, written from records alone.

Each writer creates an HTML page that opens offline, beside CSV files (and LaTeX tables where a paper needs them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.report.evaluation import write_evaluation_report
    from chromalab.report.people import write_people_report
    from chromalab.report.study.report import write_colorized_page, write_report

_MODULES = {
    "write_colorized_page": "study.report",
    "write_evaluation_report": "evaluation",
    "write_people_report": "people",
    "write_report": "study.report",
}

__all__ = ["write_colorized_page", "write_evaluation_report", "write_people_report", "write_report"]

__getattr__ = lazy_names(__name__, _MODULES)
