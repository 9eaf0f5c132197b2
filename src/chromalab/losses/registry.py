"""All losses by name, family by family, in the order of every list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.losses import adversarial, perceptual, pixel

if TYPE_CHECKING:
    from chromalab.losses.base import LossEntry

LOSSES: Registry[LossEntry] = Registry("loss")

for _family in (pixel, perceptual, adversarial):
    for _entry in _family.ENTRIES:
        LOSSES.add(_entry.name, _entry)
