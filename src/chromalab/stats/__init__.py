"""Means, differences and their uncertainty, for experiments that repeat over seeds and photographs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.stats.intervals import jackknife_estimate, t_interval
    from chromalab.stats.preference import fit_preferences
    from chromalab.stats.significance import detectable_difference, holm, is_equivalent
    from chromalab.stats.two_way import two_way_estimate

__all__ = [
    "detectable_difference",
    "fit_preferences",
    "holm",
    "is_equivalent",
    "jackknife_estimate",
    "t_interval",
    "two_way_estimate",
]

_HOMES = {
    "detectable_difference": "significance",
    "fit_preferences": "preference",
    "holm": "significance",
    "is_equivalent": "significance",
    "jackknife_estimate": "intervals",
    "t_interval": "intervals",
    "two_way_estimate": "two_way",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: SciPy takes long to import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'chromalab.stats' has no attribute '{name}'")
    return getattr(import_module(f"chromalab.stats.{_HOMES[name]}"), name)
