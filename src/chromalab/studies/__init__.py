"""Studies: grids of runs (objectives x color spaces x seeds), from a plan to records and their analysis."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.studies.analysis.analyze import analyze
    from chromalab.studies.api import run
    from chromalab.studies.config import StudyConfig, load_config
    from chromalab.studies.load import load_study
    from chromalab.studies.rescoring import score_study

__all__ = ["StudyConfig", "analyze", "load_config", "load_study", "run", "score_study"]

_HOMES = {
    "StudyConfig": "config",
    "analyze": "analysis.analyze",
    "load_config": "config",
    "load_study": "load",
    "run": "api",
    "score_study": "rescoring",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: `import chromalab.studies` alone does not import PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'chromalab.studies' has no attribute '{name}'")
    return getattr(import_module(f"chromalab.studies.{_HOMES[name]}"), name)
