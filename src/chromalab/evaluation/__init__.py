"""Evaluation: every number of the project, from images or colorizers to records under a named protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.evaluation.folders import EvaluationSettings, evaluate
    from chromalab.evaluation.people import validate_metrics
    from chromalab.evaluation.protocols import PROTOCOLS
    from chromalab.evaluation.scoring import make_evaluator, score

__all__ = ["PROTOCOLS", "EvaluationSettings", "evaluate", "make_evaluator", "score", "validate_metrics"]

_MODULES = {
    "PROTOCOLS": "protocols",
    "EvaluationSettings": "folders",
    "evaluate": "folders",
    "make_evaluator": "scoring",
    "score": "scoring",
    "validate_metrics": "people",
}

__getattr__ = lazy_names(__name__, _MODULES)
