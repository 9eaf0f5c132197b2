"""From a configuration to the list of runs, every name resolved before anything is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.color.spaces import SPACES
from chromalab.compare.records import ObjectiveRecord, run_id
from chromalab.core.errors import MissingWeightsError
from chromalab.losses.compose import Objective, TermSpec
from chromalab.losses.registry import LOSSES
from chromalab.metrics.registry import METRICS
from chromalab.nets.encoders import ENCODERS
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.store import find_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromalab.compare.config import StudyConfig

PERCEPTUAL = "perceptual"
_AUTO_ORDER = ("lpips_squeeze", "perceptual_lite0")
_LITE0_WEIGHT = 0.1
"""On photos at 96 px the gradient of the Lite0 distance has 9 to 18 times the norm of LPIPS-Squeeze's: with a tenth of
it, a mixture keeps its balance whichever of the two is behind the word `perceptual`."""


@dataclass(frozen=True)
class PlannedRun:
    """One cell of the grid."""

    objective: str
    formula: str
    color_space: str
    seed: int

    @property
    def run_id(self) -> str:
        """The run's name and that of its folder."""
        return run_id(self.objective, self.color_space, self.seed)


def resolve_perceptual(setting: str) -> str:
    """Return the loss that the word `perceptual` stands for here.

    Args:
        setting: the name of a perceptual loss, or `auto`: LPIPS-Squeeze where its trunk is on this machine, else the
            Lite0 distance. LPIPS-Alex is left to judge.

    Raises:
        UnknownNameError: there is no such loss.
    """
    if setting != "auto":
        LOSSES[setting]
        return setting
    return next(name for name in _AUTO_ORDER if _has_weights(name))


def _has_weights(loss: str) -> bool:
    try:
        for need in LOSSES[loss].needs:
            if isinstance(MANIFEST[need], TrunkWeights):
                find_weights(need)
    except MissingWeightsError:
        return False
    return True


def resolve_objectives(config: StudyConfig) -> list[ObjectiveRecord]:
    """Build every objective once, so that a wrong name or a missing weight file is told before anything is trained.

    Raises:
        ConfigError: a formula can't be read.
        MissingWeightsError: a term needs weights that are not on this machine.
    """
    perceptual = resolve_perceptual(config.perceptual)
    meaning = TermSpec(_LITE0_WEIGHT if perceptual == "perceptual_lite0" else 1.0, perceptual)
    return [_resolve(name, formula, meaning) for name, formula in config.objectives.items()]


def _resolve(name: str, formula: str, meaning: TermSpec) -> ObjectiveRecord:
    objective = Objective.parse(formula, {PERCEPTUAL: meaning})
    networks = objective.networks
    uses_word = re.search(rf"\b{PERCEPTUAL}\b", formula) is not None
    return ObjectiveRecord(
        id=name,
        formula=objective.formula,
        perceptual=meaning.name if uses_word else None,
        trunks=networks,
        judges_trained_on=[metric for metric, entry in METRICS.items() if entry.network in networks],
    )


def plan_runs(config: StudyConfig, objectives: Iterable[ObjectiveRecord]) -> list[PlannedRun]:
    """Return every run, in an order in which a study that is stopped early has compared all objectives at some seeds.

    Raises:
        UnknownNameError: a colour space or encoder that does not exist.
    """
    ENCODERS[config.training.network.encoder]
    for space in config.color_spaces:
        SPACES[space]
    return [
        PlannedRun(objective.id, objective.formula, space, seed)
        for seed in config.seeds
        for space in config.color_spaces
        for objective in objectives
    ]
