"""Loss terms by name, one value for each image, and objectives composed of them.

>>> from chromalab import losses
>>> losses.build("l1 + 0.1*wgan_gp").weights
{'l1': 1.0, 'wgan_gp': 0.1}
"""

from chromalab.losses.base import AdversarialTerm, Choice, ColorBatch, LossEntry, LossTerm, Parameter
from chromalab.losses.compose import Objective, TermSpec, build, parse_formula
from chromalab.losses.contract import check_loss
from chromalab.losses.plugins import load_plugins
from chromalab.losses.registry import LOSSES

__all__ = [
    "LOSSES",
    "AdversarialTerm",
    "Choice",
    "ColorBatch",
    "LossEntry",
    "LossTerm",
    "Objective",
    "Parameter",
    "TermSpec",
    "build",
    "check_loss",
    "load_plugins",
    "parse_formula",
]
