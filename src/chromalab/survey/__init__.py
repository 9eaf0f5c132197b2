"""User studies of colorization: design, blinded stimuli, web server, and analysis.

The server never imports torch or anything that imports it. Metric values reach the survey as files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.survey.analysis.analyze import analyze_source
    from chromalab.survey.analysis.page import write_survey_report
    from chromalab.survey.create import create_survey
    from chromalab.survey.database import open_database
    from chromalab.survey.design import load_design
    from chromalab.survey.power import simulate_power

_MODULES = {
    "analyze_source": "analysis.analyze",
    "create_survey": "create",
    "load_design": "design",
    "open_database": "database",
    "simulate_power": "power",
    "write_survey_report": "analysis.page",
}

__all__ = ["analyze_source", "create_survey", "load_design", "open_database", "simulate_power", "write_survey_report"]

__getattr__ = lazy_names(__name__, _MODULES)
