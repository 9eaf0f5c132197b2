"""Statistics of experiments that repeat over seeds and photos: intervals, tests, equivalence, and preference models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.stats.intervals import jackknife_estimate, t_interval, two_way_estimate
    from chromalab.stats.preference import fit_preferences
    from chromalab.stats.significance import detectable_difference, equivalence_p, holm, is_equivalent

__all__ = [
    "detectable_difference",
    "equivalence_p",
    "fit_preferences",
    "holm",
    "is_equivalent",
    "jackknife_estimate",
    "t_interval",
    "two_way_estimate",
]

_MODULES = {
    "detectable_difference": "significance",
    "equivalence_p": "significance",
    "fit_preferences": "preference",
    "holm": "significance",
    "is_equivalent": "significance",
    "jackknife_estimate": "intervals",
    "t_interval": "intervals",
    "two_way_estimate": "intervals",
}

__getattr__ = lazy_names(__name__, _MODULES)
