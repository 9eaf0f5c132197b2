"""All losses by name, in the order of lists: the entries of every family's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.losses import adversarial, color, distribution, perceptual, pixel

if TYPE_CHECKING:
    from chromalab.losses.base import LossEntry

LOSSES: Registry[LossEntry] = Registry("loss")

for _family in (pixel, distribution, perceptual, adversarial, color):
    for _entry in _family.ENTRIES:
        LOSSES.add(_entry.name, _entry)
