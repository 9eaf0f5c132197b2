"""Evaluation: every number of the project, from images or colorizers to records under a named protocol."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.evaluation.folders import EvaluationSettings, evaluate
    from chromalab.evaluation.people import validate_metrics
    from chromalab.evaluation.protocols import PROTOCOLS
    from chromalab.evaluation.scoring import make_evaluator, score

__all__ = ["PROTOCOLS", "EvaluationSettings", "evaluate", "make_evaluator", "score", "validate_metrics"]

_HOMES = {
    "PROTOCOLS": "protocols",
    "EvaluationSettings": "folders",
    "evaluate": "folders",
    "make_evaluator": "scoring",
    "score": "scoring",
    "validate_metrics": "people",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: `import chromalab.evaluation` alone does not import PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'chromalab.evaluation' has no attribute '{name}'")
    return getattr(import_module(f"chromalab.evaluation.{_HOMES[name]}"), name)
