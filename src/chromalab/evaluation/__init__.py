"""Evaluation of images or colorizers under a named protocol: scores, paired tests, agreement with people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.evaluation.folders import EvaluationSettings, compare_folders, evaluate
    from chromalab.evaluation.people import validate_metrics
    from chromalab.evaluation.protocols import PROTOCOLS
    from chromalab.evaluation.scoring import make_evaluator, score

__all__ = [
    "PROTOCOLS",
    "EvaluationSettings",
    "compare_folders",
    "evaluate",
    "make_evaluator",
    "score",
    "validate_metrics",
]

_MODULES = {
    "PROTOCOLS": "protocols",
    "EvaluationSettings": "folders",
    "compare_folders": "folders",
    "evaluate": "folders",
    "make_evaluator": "scoring",
    "score": "scoring",
    "validate_metrics": "people",
}

__getattr__ = lazy_names(__name__, _MODULES)
