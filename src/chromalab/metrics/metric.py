"""Base classes of metrics: facts for tables, and a value per photo or per set of photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.metrics.facts import Direction, MetricFacts, Reference, Role
from chromalab.metrics.photo_view import PhotoView

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.rows import Rows


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Facts about a metric.

    Attributes:
        name: permanent registry name.
        label: name in tables.
        unit: unit in tables, empty for a dimensionless number.
        direction: whether lower, higher or closer to the ground truth is better.
        low: the smallest possible value.
        high: the largest possible value; infinite if unbounded.
        role: the property of an image that the metric measures.
        formula: the formula in one line.
        source: the publication, or the origin of the definition.
        network: the network it needs, by its name in the weights manifest.
        reference: the reference it needs besides the prediction.
        note: an important caveat for readers.
    """

    name: str
    label: str
    unit: str = ""
    direction: Direction
    low: float = 0.0
    high: float = math.inf
    role: Role
    formula: str
    source: str
    network: str | None = None
    reference: Reference = "target"
    note: str = ""

    @property
    def per_photo(self) -> bool:
        """Whether every photo has its own value."""
        return isinstance(self, PhotoMetric)

    @property
    def facts(self) -> MetricFacts:
        """The facts as a record."""
        return MetricFacts(
            name=self.name,
            label=self.label,
            unit=self.unit,
            direction=self.direction,
            per_photo=self.per_photo,
            role=self.role,
            network=self.network,
            reference=self.reference,
            note=self.note,
            low=self.low if math.isfinite(self.low) else None,
        )


@dataclass(frozen=True, kw_only=True)
class PhotoMetric(Metric):
    """A metric with a value for every photo; the value of a set is the mean over its photos.

    Attributes:
        measure: prediction and target, as views of B photos of one size -> (B,), float64 or float32.
        smallest_side_px: the shortest side of a photo for which the metric is defined.
    """

    measure: Callable[[PhotoView, PhotoView], Tensor]
    smallest_side_px: int = 1

    def __call__(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the metric of every pair, (B,).

        To compute several metrics or many batches, use `PhotoScorer`, which loads networks once and shares work.

        Args:
            preds: RGB (B, 3, H, W) in [0, 1].
            target: the same shape and range.

        Raises:
            MissingWeightsError: the network of the metric is not installed.
            ValueError: the shapes differ, or the photos are too small.
        """
        if reason := self.reason_against(*preds.shape[-2:]):
            raise ValueError(reason)
        return self.measure(PhotoView(preds), PhotoView(target))

    def reason_against(self, height: int, width: int) -> str | None:
        """Return why photos of this size have no value, or None if they have one."""
        if min(height, width) >= self.smallest_side_px:
            return None
        return f"{self.label} needs at least {self.smallest_side_px} px on each side, not {width}x{height}"


@dataclass(frozen=True, kw_only=True)
class SetMetric(Metric):
    """A metric of a whole set of photos, which compares rows of features, one row per photo.

    Attributes:
        features: the kind of features, a name in `features.FEATURES`.
        compare: rows of the predictions, rows of the true photos (equally many only if `is_paired`) -> the value.
        is_paired: whether row k of both must belong to the same photo.
    """

    reference: Reference = "set"
    features: str
    compare: Callable[[Rows, Rows], SetValue]
    is_paired: bool = False
