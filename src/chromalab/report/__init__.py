"""Reports of studies, evaluations and metric validation, written from records alone.

Each writer creates an HTML page that opens offline, beside CSV files (and LaTeX tables where a paper needs them).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.report.evaluation import write_evaluation_report
    from chromalab.report.people import write_people_report
    from chromalab.report.study.report import write_colorized_page, write_report

_HOMES = {
    "write_colorized_page": "chromalab.report.study.report",
    "write_evaluation_report": "chromalab.report.evaluation",
    "write_people_report": "chromalab.report.people",
    "write_report": "chromalab.report.study.report",
}

__all__ = ["write_colorized_page", "write_evaluation_report", "write_people_report", "write_report"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
