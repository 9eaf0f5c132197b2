"""User studies of colorization: design, blinded stimuli, web server, and analysis.

The server never imports torch or anything that imports it. Metric values reach the survey as files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.survey.analysis.analyze import analyze_source
    from chromalab.survey.analysis.page import write_survey_report
    from chromalab.survey.create import create_survey
    from chromalab.survey.design import load_design
    from chromalab.survey.power import simulate_power
    from chromalab.survey.storage.database import open_database

_HOMES = {
    "analyze_source": "chromalab.survey.analysis.analyze",
    "create_survey": "chromalab.survey.create",
    "load_design": "chromalab.survey.design",
    "open_database": "chromalab.survey.storage.database",
    "simulate_power": "chromalab.survey.power",
    "write_survey_report": "chromalab.survey.analysis.page",
}

__all__ = ["analyze_source", "create_survey", "load_design", "open_database", "simulate_power", "write_survey_report"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
