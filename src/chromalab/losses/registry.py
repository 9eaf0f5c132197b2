"""All losses by name, in the order of every list."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.losses import adversarial, color, distribution, perceptual, pixel, structure

if TYPE_CHECKING:
    from chromalab.losses.base import LossEntry

_ORDER = (
    "l1", "l2", "huber", "charbonnier", "delta_e_76", "delta_e_2000", "cross_entropy", "class_kl", "vgg_feature",
    "style", "lpips_vgg", "lpips_alex", "lpips_squeeze", "ssim", "ms_ssim", "perceptual_lite0", "gan", "lsgan", "hinge",
    "wgan", "wgan_gp", "colorfulness", "total_variation", "gamut",
)  # fmt: skip

LOSSES: Registry[LossEntry] = Registry("loss")

_families = (pixel, distribution, perceptual, structure, adversarial, color)
for _entry in sorted(chain.from_iterable(family.ENTRIES for family in _families), key=lambda e: _ORDER.index(e.name)):
    LOSSES.add(_entry.name, _entry)
