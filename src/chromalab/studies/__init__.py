"""Studies: grids of runs (objectives x color spaces x seeds), from a plan to records and their analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.studies.analysis.analyze import analyze
    from chromalab.studies.api import run
    from chromalab.studies.config import StudyConfig, load_config
    from chromalab.studies.load import load_study
    from chromalab.studies.networks import score_study

__all__ = ["StudyConfig", "analyze", "load_config", "load_study", "run", "score_study"]

_MODULES = {
    "StudyConfig": "config",
    "analyze": "analysis.analyze",
    "load_config": "config",
    "load_study": "load",
    "run": "api",
    "score_study": "networks",
}

__getattr__ = lazy_names(__name__, _MODULES)
